#!lua name=perpmaker_orders

-- The writes of order truth, each atomic and one round trip. Every key of an account carries the same hash tag.
--
-- Every write names the process that owns the keys (its generation, taken with pm_own). A generation that is not the
-- newest is refused, and so is a write to a store that lost the record of its owner.

local function owned(meta, owner)
  local holder = redis.call('HGET', meta, 'owner')
  if not holder then return {'LOST'} end
  if holder ~= owner then return {'DISOWNED', holder} end
  return nil
end

-- Take the keys over from any earlier process.
-- KEYS: meta. Returns the new generation.
local function own(keys, argv)
  return redis.call('HINCRBY', keys[1], 'owner', 1)
end

-- After an outage: put back the record of ownership and the epochs that a store may have lost.
-- KEYS: meta, epochs. ARGV: generation, then (market, epoch) pairs. Refused when another process holds the keys.
-- Tells whether the record was lost.
local function reown(keys, argv)
  local lost = redis.call('HSETNX', keys[1], 'owner', argv[1])
  local refused = owned(keys[1], argv[1])
  if refused then return refused end
  for i = 2, #argv, 2 do
    if tonumber(redis.call('HGET', keys[2], argv[i]) or '0') < tonumber(argv[i + 1]) then
      redis.call('HSET', keys[2], argv[i], argv[i + 1])
    end
  end
  return {'OK', tostring(lost)}
end

-- Open a session: its epoch is larger than every earlier one, and than `at_least`, which the caller remembers.
-- KEYS: meta, epochs. ARGV: generation, market, at_least.
local function session(keys, argv)
  local refused = owned(keys[1], argv[1])
  if refused then return refused end
  local epoch = math.max(tonumber(redis.call('HGET', keys[2], argv[2]) or '0'), tonumber(argv[3])) + 1
  redis.call('HSET', keys[2], argv[2], string.format('%d', epoch))
  return {'OK', string.format('%d', epoch)}
end

-- Write orders, journal lines, ledger entries and totals together or not at all.
-- KEYS: meta, epochs, live orders, journal, ledger, ledger keys, totals.
-- ARGV: generation, force (1: rewrite after an outage, versions are not compared), journal length,
--       fenced market ('' for none), its epoch, highest nonce (0 for none),
--       n, then n times (cloid, version it replaces (0: new), "version json"),
--       n, then n journal lines; n, then n times (entry key, entry); n, then n times (total, value).
local function commit(keys, argv)
  local at = 0
  local function take()
    at = at + 1
    return argv[at]
  end
  local owner, force, journal_length = take(), take() == '1', take()
  local refused = owned(keys[1], owner)
  if refused then return refused end

  local market, epoch = take(), take()
  if market ~= '' then
    local newest = redis.call('HGET', keys[2], market) or '0'
    if newest ~= epoch then return {'FENCED', newest} end
  end
  local nonce = take()

  local orders = {}
  local duplicates = {'DUPLICATE'}
  for _ = 1, tonumber(take()) do
    local cloid, replaces, record = take(), take(), take()
    if not force then
      local stored = redis.call('HGET', keys[3], cloid)
      -- A record that is there already is a write whose answer was lost.
      if stored and stored ~= record then
        local version = string.match(stored, '^%d+')
        if replaces == '0' then
          duplicates[#duplicates + 1] = cloid
        elseif version ~= replaces then
          return {'STALE', cloid, version}
        end
      elseif not stored and replaces ~= '0' then
        return {'STALE', cloid, '0'}
      end
    end
    orders[#orders + 1] = cloid
    orders[#orders + 1] = record
  end
  if #duplicates > 1 then return duplicates end

  for i = 1, #orders, 2 do
    redis.call('HSET', keys[3], orders[i], orders[i + 1])
  end
  for _ = 1, tonumber(take()) do
    redis.call('XADD', keys[4], 'MAXLEN', '~', journal_length, '*', 'j', take())
  end
  for _ = 1, tonumber(take()) do
    local key, entry = take(), take()
    if redis.call('SADD', keys[6], key) == 1 then
      redis.call('XADD', keys[5], '*', 'e', entry)
    end
  end
  for _ = 1, tonumber(take()) do
    local total = take()
    redis.call('HSET', keys[7], total, take())
  end
  if nonce ~= '0' then
    local highest = tonumber(redis.call('HGET', keys[1], 'nonce') or '0')
    if tonumber(nonce) > highest then redis.call('HSET', keys[1], 'nonce', nonce) end
  end
  return {'OK'}
end

-- Take orders that are over out of the live set; each stays readable for a while under a key of its own.
-- KEYS: meta, live orders, then one archive key per order. ARGV: generation, seconds to keep, then the cloids.
local function retire(keys, argv)
  local refused = owned(keys[1], argv[1])
  if refused then return refused end
  for i = 3, #argv do
    local record = redis.call('HGET', keys[2], argv[i])
    if record then
      redis.call('SET', keys[i], record, 'EX', argv[2])
      redis.call('HDEL', keys[2], argv[i])
    end
  end
  return {'OK'}
end

redis.register_function('pm_own', own)
redis.register_function('pm_reown', reown)
redis.register_function('pm_session', session)
redis.register_function('pm_commit', commit)
redis.register_function('pm_retire', retire)
