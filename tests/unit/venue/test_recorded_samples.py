"""Recorded answers and frames of the exchange pass the shapes that ours are held to.

Source: documentation, "Info endpoint" and "WebSocket"; user addresses and hashes are filled in.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.support import account_shapes as of_account
from tests.support import exchange_shapes as has
from tests.support import market_shapes as of_market
from tests.support.stream_shapes import CHANNELS

USER = "0x" + "ab" * 20
HASH = "0x" + "cd" * 32
CLOID = "0x" + "0" * 31 + "1"

STATE = """{"marginSummary":{"accountValue":"13109.482328","totalNtlPos":"100.02765","totalRawUsd":"13009.454678",
"totalMarginUsed":"4.967826"},"crossMarginSummary":{"accountValue":"13104.514502","totalNtlPos":"0.0",
"totalRawUsd":"13104.514502","totalMarginUsed":"0.0"},"crossMaintenanceMarginUsed":"0.0","withdrawable":"13104.514502",
"assetPositions":[{"type":"oneWay","position":{"coin":"ETH","szi":"0.0335","leverage":{"type":"isolated","value":20,
"rawUsd":"-95.059824"},"entryPx":"2986.3","positionValue":"100.02765","unrealizedPnl":"-0.0134",
"returnOnEquity":"-0.0026789","liquidationPx":"2866.26936529","marginUsed":"4.967826","maxLeverage":50,
"cumFunding":{"allTime":"514.085417","sinceOpen":"0.0","sinceChange":"0.0"}}}],"time":1708622398623}"""
FRONTEND_ORDER = """{"coin":"INJ","side":"A","limitPx":"9.1954","sz":"12.5","oid":3184595906,
"timestamp":1700126022555,"origSz":"12.5","triggerCondition":"Price below 9.995","isTrigger":true,"triggerPx":"9.995",
"children":[],"isPositionTpsl":false,"reduceOnly":true,"orderType":"Stop Market","tif":null,"cloid":null}"""
FILL = f"""{{"coin":"BTC","px":"64310.0","sz":"0.01","side":"B","time":1760000000123,"startPosition":"0.02",
"dir":"Open Long","closedPnl":"0.0","hash":"{HASH}","oid":345678901234,"crossed":false,"fee":"0.096465",
"tid":118906512037719,"feeToken":"USDC","twapId":null,"cloid":"{CLOID}","builderFee":"0.0064",
"liquidation":{{"liquidatedUser":"{USER}","markPx":"64290.0","method":"market"}}}}"""
CTX = """{"funding":"0.0000125","openInterest":"27353.17682","prevDayPx":"76317.0","dayNtlVlm":"1516669192.19",
"premium":"-0.00059","oraclePx":"77605.0","markPx":"77562.0","midPx":"77558.5","impactPxs":["77558.0","77559.0"],
"dayBaseVlm":"19707.77"}"""
META = """{"universe":[{"szDecimals":5,"name":"BTC","maxLeverage":40,"marginTableId":56},
{"szDecimals":1,"name":"OLD","maxLeverage":3,"marginTableId":3,"isDelisted":true},{"szDecimals":0,"name":"ISO",
"maxLeverage":3,"marginTableId":3,"onlyIsolated":true,"marginMode":"strictIsolated"}],"marginTables":[[50,
{"description":"","marginTiers":[{"lowerBound":"0.0","maxLeverage":50}]}],[56,{"description":"tiered 40x",
"marginTiers":[{"lowerBound":"0.0","maxLeverage":40},{"lowerBound":"150000000.0","maxLeverage":20}]}]],
"collateralToken":0}"""
RATE_LIMIT = '{"cumVlm":"2854574.593578","nRequestsUsed":2890,"nRequestsCap":2864574,"nRequestsSurplus":0}'
FEES = """{"dailyUserVlm":[{"date":"2026-10-01","userCross":"0.0","userAdd":"0.0","exchange":"2852367.07"}],
"feeSchedule":{"cross":"0.00045","add":"0.00015","spotCross":"0.0007","spotAdd":"0.0004","tiers":{"vip":[{
"ntlCutoff":"5000000.0","cross":"0.0004","add":"0.00012","spotCross":"0.0006","spotAdd":"0.0003"}],"mm":[{
"makerFractionCutoff":"0.005","add":"-0.00001"}]},"referralDiscount":"0.04","stakingDiscountTiers":[{
"bpsOfMaxSupply":"0.0","discount":"0.0"}]},"userCrossRate":"0.00045","userAddRate":"0.00015",
"userSpotCrossRate":"0.0007","userSpotAddRate":"0.0004","activeReferralDiscount":"0.0","trial":null,
"feeTrialEscrow":"0.0","nextTrialAvailableTimestamp":null,"stakingLink":null,
"activeStakingDiscount":{"bpsOfMaxSupply":"0.0","discount":"0.0"}}"""

ANSWERS: list[tuple[str, str, Any]] = [
    ("clearinghouseState", STATE, of_account.ClearinghouseState),
    ("frontendOpenOrders", f"[{FRONTEND_ORDER}]", list[of_account.FrontendOrder]),
    (
        "orderStatus",
        f'{{"status":"order","order":{{"order":{FRONTEND_ORDER},"status":"filled","statusTimestamp":1760000000456}}}}',
        of_account.KnownOrder,
    ),
    ("userFills", f"[{FILL}]", list[of_account.Fill]),
    ("metaAndAssetCtxs", f"[{META},[{CTX}]]", tuple[of_market.PerpMeta, list[of_market.AssetCtx]]),
    ("userRateLimit", RATE_LIMIT, of_account.RateLimit),
    ("userFees", FEES, of_account.UserFees),
]


@pytest.mark.parametrize(("kind", "text", "shape"), ANSWERS, ids=[kind for kind, _, _ in ANSWERS])
def test_a_recorded_answer_has_the_shape_ours_is_held_to(kind: str, text: str, shape: Any) -> None:
    has.check(json.loads(text), shape)


FRAMES = f"""
{{"channel":"allMids","data":{{"mids":{{"BTC":"64310.5","ETH":"2440.15","PURR/USDC":"0.067131","@107":"38.211"}}}}}}
{{"channel":"bbo","data":{{"coin":"BTC","time":1760000000123,"bbo":[{{"px":"64310.0","sz":"1.2503","n":4}},{{"px":"64311.0","sz":"0.4","n":2}}]}}}}
{{"channel":"bbo","data":{{"coin":"ISO","time":1760000000123,"bbo":[null,{{"px":"0.0021","sz":"100.0","n":1}}]}}}}
{{"channel":"l2Book","data":{{"coin":"BTC","time":1760000000123,"levels":[[{{"px":"64310.0","sz":"1.2503","n":4}}],[{{"px":"64311.0","sz":"0.4","n":2}}]]}}}}
{{"channel":"l2Book","data":{{"coin":"BTC","time":1760000000623,"levels":[[],[]],"fast":true}}}}
{{"channel":"trades","data":[{{"coin":"BTC","side":"A","px":"64310.0","sz":"0.015","time":1760000000123,"hash":"{HASH}","tid":300003000111,"users":["{USER}","{USER}"]}}]}}
{{"channel":"candle","data":{{"t":1760000000000,"T":1760000059999,"s":"BTC","i":"1m","o":"64300.0","c":"64310.0","h":"64320.0","l":"64290.0","v":"12.5","n":189}}}}
{{"channel":"activeAssetCtx","data":{{"coin":"BTC","ctx":{CTX.replace(chr(10), "")}}}}}
{{"channel":"activeAssetData","data":{{"user":"{USER}","coin":"BTC","leverage":{{"type":"cross","value":10}},"maxTradeSzs":["1.5","1.5"],"availableToTrade":["9646.5","9646.5"],"markPx":"64312.0"}}}}
{{"channel":"orderUpdates","data":[{{"order":{{"coin":"BTC","side":"B","limitPx":"64310.0","sz":"0.01","oid":345678901234,"timestamp":1760000000123,"origSz":"0.01","cloid":"{CLOID}"}},"status":"open","statusTimestamp":1760000000123}}]}}
{{"channel":"userFills","data":{{"isSnapshot":true,"user":"{USER}","fills":[]}}}}
{{"channel":"userFills","data":{{"user":"{USER}","fills":[{FILL.replace(chr(10), "")}]}}}}
{{"channel":"user","data":{{"fills":[{FILL.replace(chr(10), "")}]}}}}
{{"channel":"user","data":{{"funding":{{"time":1760000400031,"coin":"BTC","usdc":"-0.00804","szi":"0.01","fundingRate":"0.0000125","nSamples":null}}}}}}
{{"channel":"user","data":{{"nonUserCancel":[{{"coin":"BTC","oid":345678901234}}]}}}}
{{"channel":"user","data":{{"liquidation":{{"lid":91,"liquidator":"{USER}","liquidated_user":"{USER}","liquidated_ntl_pos":"1234.5","liquidated_account_value":"10.2"}}}}}}
{{"channel":"openOrders","data":{{"dex":"","user":"{USER}","orders":[{FRONTEND_ORDER.replace(chr(10), "")}]}}}}
{{"channel":"clearinghouseState","data":{{"dex":"","user":"{USER}","clearinghouseState":{STATE.replace(chr(10), "")}}}}}
{{"channel":"userFundings","data":{{"isSnapshot":true,"user":"{USER}","fundings":[{{"time":1760000400031,"coin":"BTC","usdc":"-0.00804","szi":"0.01","fundingRate":"0.0000125","nSamples":null}}]}}}}
{{"channel":"userNonFundingLedgerUpdates","data":{{"isSnapshot":true,"user":"{USER}","nonFundingLedgerUpdates":[{{"time":1760000000000,"hash":"{HASH}","delta":{{"type":"deposit","usdc":"1000.0"}}}}]}}}}
{{"channel":"webData3","data":{{"userState":{{"agentAddress":null,"agentValidUntil":null,"cumLedger":"1000.0","serverTime":1760000000123,"isVault":false,"user":"{USER}"}},"perpDexStates":[{{"totalVaultEquity":"0.0"}}]}}}}
{{"channel":"notification","data":{{"notification":"text"}}}}
"""


@pytest.mark.parametrize("line", FRAMES.strip().splitlines(), ids=lambda line: json.loads(line)["channel"])
def test_a_recorded_frame_has_the_shape_ours_is_held_to(line: str) -> None:
    frame = json.loads(line)
    has.check(frame["data"], CHANNELS[frame["channel"]])


@pytest.mark.parametrize("text", ["64310", "1e5", "064310.0", ".5", "5.", "5.10", "5,0", "+5.0"])
def test_the_shape_of_an_amount_refuses_what_the_exchange_never_writes(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        has.check(text, has.Amount)
