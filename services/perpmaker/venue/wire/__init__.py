"""What a client may send: strict decoding, canonical bytes, and the address that signed them."""
