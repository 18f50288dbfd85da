"""The API server as the operator sees it: who we are to it, what kinds we use, and one small client."""
