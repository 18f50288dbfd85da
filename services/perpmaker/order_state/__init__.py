"""Order truth of one account: orders, fills, positions and exposure, durable before they are acted upon."""
