"""What every service shares and none owns: skeleton, exact decimals, ids, clock, metrics, rpc."""
