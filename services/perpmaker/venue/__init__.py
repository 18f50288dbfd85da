"""A simulated Hyperliquid on localhost: the exchange's wire, rules and money, without the exchange.

Reading order: `engine` (the pure exchange: books, matching, accounts), `wire` (what a request may say and who
signed it), `core` (blocks: one `step(now_ms)` executes what arrived), `views` (what it answers and pushes),
`flow` (the other participants), `shell` (sockets). Nothing below `shell` opens a socket or reads a clock.
"""
