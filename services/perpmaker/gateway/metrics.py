"""Series of the gateway. Labels are bounded words: never ids, prices, addresses of others or error texts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from perpmaker.common.metrics import EXCHANGE_BUCKETS_S, TICK_TO_ORDER_BUCKETS_S

CONNECTED = Gauge("mm_websocket_connected", "1 while the socket to the exchange is open.", ["socket"])
RECONNECTS = Counter("mm_gateway_ws_reconnects_total", "Sockets lost, by cause.", ["socket", "reason"])
LAST_MESSAGE = Gauge("mm_gateway_ws_last_message_timestamp_seconds", "When the last frame arrived.", ["socket"])
BAD_FRAMES = Counter(
    "mm_gateway_bad_frames_total", "Messages of the exchange that could not be read, by kind.", ["socket", "reason"]
)
CROSSED_BOOKS = Counter("mm_crossed_book_incidents", "Crossed books and quotes dropped.", ["market"])
UNKNOWN_STATUSES = Counter("mm_gateway_unrecognized_statuses_total", "Order statuses this version does not know.")
REQUEST_SECONDS = Histogram(
    "mm_gateway_exchange_request_seconds",
    "Send to answer.",
    ["action", "transport"],
    buckets=EXCHANGE_BUCKETS_S,
)
ERRORS = Counter("mm_gateway_exchange_errors_total", "Actions refused or left unknown.", ["action", "reason"])
NOT_SENT = Counter("mm_gateway_not_sent_total", "Items refused before sending.", ["action", "reason"])
ITEMS = Counter("mm_gateway_items_sent_total", "Items handed to the exchange.", ["action"])
FALLBACKS = Counter("mm_gateway_rest_fallbacks_total", "Posts repeated over REST after a timeout.", ["action"])
IN_FLIGHT = Gauge("mm_gateway_posts_in_flight", "Posts without an answer.")
NONCE_REJECTS = Counter("mm_gateway_nonce_rejects_total", "Answers that named the nonce.")
RATE_LIMIT_USED = Gauge("mm_gateway_rate_limit_used_ratio", "Share of a request budget in use.", ["budget"])
ADDRESS_LEFT = Gauge("mm_gateway_address_budget_left", "Actions left before the exchange slows the account down.")
ADDRESS_HOURS_LEFT = Gauge("mm_gateway_address_hours_left", "How long the actions left last, as in the last hour.")
DEADMAN_DEADLINE = Gauge("mm_gateway_deadman_deadline_timestamp_seconds", "When the exchange cancels all; 0 for never.")
DEADMAN_FIRINGS_LEFT = Gauge("mm_gateway_deadman_firings_left", "Firings of the dead man's switch left today.")
SIGNER = Gauge("mm_gateway_signer_info", "Public address of the signer; always 1.", ["address"])
CLOCK_OFFSET = Gauge("mm_gateway_clock_offset_seconds", "Exchange clock minus ours.")
SIGN_SECONDS = Histogram(
    "mm_gateway_sign_seconds", "Time to sign an action.", buckets=(2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)
)
TICK_TO_ORDER_SECONDS = Histogram(
    "mm_gateway_tick_to_order_seconds",
    "Frame in to signed orders out, of orders that are the answer to a frame.",
    buckets=TICK_TO_ORDER_BUCKETS_S,
)
GAPS = Counter("mm_gateway_account_gaps_total", "Holes opened in the account stream.", ["reason"])
GAP_OPEN = Gauge("mm_gateway_account_gap_open", "1 while the account stream has a hole.")
