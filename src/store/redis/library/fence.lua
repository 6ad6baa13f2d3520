-- Lives of the primaries: which one a call may be made on (lives.rs).

-- Which life of which server this is: another one after every restart and every promotion.
local function identity()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or 'unknown'
  return string.sub(run, 1, 12) .. '.' .. string.sub(replid, 1, 12)
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What was given out before and may have been rolled back is not given again: letters', feed items' and other numbers.
local function skip(prefix, p, together)
  local parts = { p }
  if together then
    for n = 0, tonumber(redis.call('HGET', key(prefix, 'c') .. 'meta', 'partitions') or '0') - 1 do parts[#parts + 1] = tostring(n) end
  end
  for _, part in ipairs(parts) do
    local k = key(prefix, part)
    if redis.call('EXISTS', k .. 's') == 1 then redis.call('INCRBY', k .. 's', 1000000000) end
  end
  if p ~= 'c' then return end
  local k = key(prefix, 'c')
  if redis.call('EXISTS', k .. 'fs') == 1 then redis.call('INCRBY', k .. 'fs', 1000000) end
  local numbers = redis.call('HKEYS', k .. 'S')
  for _, name in ipairs(numbers) do redis.call('HINCRBY', k .. 'S', name, name == 'warning' and 20 or 100000) end
end

-- No hold is longer (store.redis.recovery_hold: up to 1m). One that seems so began while the server's clock was ahead.
local LONGEST = 60000

-- Lives this process knows, by partition: not replicated, and gone with the process.
local lives = {}

-- The life of the primary of a partition and until when it is held. `look`: do not trust what is remembered.
local function life_of(prefix, p, together, known, hold, look)
  local name = key(prefix, p) .. 'life'
  local kept, held = string.match(redis.call('GET', name) or '', '^(%S+) (%d+)$')
  if kept and kept == lives[name] and not look then return kept, tonumber(held) end
  local is = identity()
  lives[name] = is
  if kept == is then return kept, tonumber(held) end
  held = 0
  if kept or known ~= '-' then
    held = milliseconds() + hold
    skip(prefix, p, together)
  end
  if kept and not together then
    -- What had arrived when this life began: whoever repairs late knows by it what had not.
    local k = key(prefix, p)
    redis.call('DEL', k .. 'ol')
    redis.call('HSET', k .. 'ol', 'lives', kept .. ' ' .. is, unpack(redis.call('HGETALL', k .. 'oi')))
  end
  redis.call('SET', name, is .. ' ' .. string.format('%.0f', held))
  return is, held
end

-- "together hold replay life" is the last argument of every call that decides anything. On another life than the
-- caller knows nothing is done, because what it knows to be here may have been rolled back; and a new life is held
-- for a while, until all gateways have replayed what they told and sent. A replay (1 strict, 2 not) is let in.
local function fenced(f)
  return function(keys, args)
    local together, hold, replay, known = string.match(table.remove(args), '^(%d) (%d+) (%d) (%S+)$')
    local prefix = args[1]
    local p = together == '1' and 'c' or string.match(keys[1], '{p:(%w+)}$')
    local life, held = life_of(prefix, p, together == '1', known, tonumber(hold), false)
    if life ~= known then return redis.error_reply('INSTANCE ' .. life) end
    if held > 0 and replay == '0' then
      local left = held - milliseconds()
      if left > LONGEST then
        left = LONGEST
        redis.call('SET', key(prefix, p) .. 'life', life .. ' ' .. string.format('%.0f', milliseconds() + left))
      end
      if left > 0 then return redis.error_reply('HELD ' .. string.format('%.0f', left)) end
    end
    return f(keys, args, replay)
  end
end

-- prefix, partition, together, the life known before, hold: today's life, and how long it is still held.
local function life(_, args)
  local is, held = life_of(args[1], args[2], args[3] == '1', args[4], tonumber(args[5]), true)
  return { is, string.format('%.0f', math.max(0, held > 0 and math.min(LONGEST, held - milliseconds()) or 0)) }
end

-- prefix, partition, together: the life that wrote last (or ''), for how long it is still held, and today's. Changes nothing.
local function lives_of(_, args)
  local p = args[3] == '1' and 'c' or args[2]
  local kept, held = string.match(redis.call('GET', key(args[1], p) .. 'life') or '', '^(%S+) (%d+)$')
  local left = tonumber(held or '0') - milliseconds()
  if left > LONGEST then left = 0 end
  return { kept or '', string.format('%.0f', math.max(0, left)), identity() }
end

redis.register_function('LIBRARY_life', life)
reading('LIBRARY_lives', lives_of)
