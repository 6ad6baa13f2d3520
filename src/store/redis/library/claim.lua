-- What is due, and who works it (claim.rs).

-- The first of each lane in a partition: { lane, due }. One look a lane that is in use, and one more.
local function firsts(k)
  local out, lane = {}, 0
  while lane < LANES do
    local first = redis.call('ZRANGEBYSCORE', k .. 'd', lane * LANE, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not first[2] then break end
    lane = math.floor(tonumber(first[2]) / LANE)
    out[#out + 1] = { lane, tonumber(first[2]) - lane * LANE }
    lane = lane + 1
  end
  return out
end

-- The ripe records of some partitions, best lane first, then earliest: { lane, due, partition, record }.
local function ripe(s, parts, limit)
  local lanes = {}
  for _, p in ipairs(parts) do
    for _, f in ipairs(firsts(key(s.prefix, p))) do
      if f[2] <= s.now then
        lanes[f[1]] = lanes[f[1]] or {}
        table.insert(lanes[f[1]], p)
      end
    end
  end
  -- The partitions' queues are merged, each read in small pieces: a claim takes few of many.
  local picked, seen = {}, {}
  local size = math.ceil(limit / #parts) + 4
  local function fill(q, lane)
    q.rows = redis.call('ZRANGEBYSCORE', q.k .. 'd', lane * LANE, score(lane, s.now), 'WITHSCORES', 'LIMIT', q.offset, size)
    q.at, q.offset, q.due = 1, q.offset + size, tonumber(q.rows[2])
  end
  for lane = 0, LANES - 1 do
    local queues = {}
    for n, p in ipairs(lanes[lane] or {}) do
      queues[n] = { p = p, k = key(s.prefix, p), offset = 0 }
      fill(queues[n], lane)
    end
    while #picked < limit do
      local best
      for _, q in ipairs(queues) do
        if q.due and (not best or q.due < best.due) then best = q end
      end
      if not best then break end
      local text = string.sub(best.rows[best.at], 2)
      local name = best.p .. ' ' .. text
      if not seen[name] then
        seen[name] = true
        picked[#picked + 1] = { lane, best.due - lane * LANE, best.p, text }
      end
      best.at = best.at + 2
      if best.at > 2 * size then fill(best, lane) else best.due = tonumber(best.rows[best.at + 1]) end
    end
  end
  return picked
end

local function oldest_outbox(prefix, parts)
  local oldest
  for _, p in ipairs(parts) do
    local first = redis.call('ZRANGE', key(prefix, p) .. 'oa', 0, 0, 'WITHSCORES')
    if first[2] and (not oldest or tonumber(first[2]) < oldest) then oldest = tonumber(first[2]) end
  end
  return oldest and string.format('%.0f', oldest) or ''
end

-- prefix, now, partitions, limit, trims: { lane and due of each that is ripe }, since when the outbox waits.
local function peek(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  trims(args[1], args[5])
  for _, p in ipairs(parts) do end_leases(s, key(s.prefix, p)) end
  local out = {}
  for _, f in ipairs(ripe(s, parts, tonumber(args[4]))) do out[#out + 1] = f[1] .. ' ' .. string.format('%.0f', f[2]) end
  return { out, oldest_outbox(args[1], parts) }
end

local function lease(s, f, lease_end, nonce, most)
  local k, text = key(s.prefix, f[3]), f[4]
  local value = redis.call('GET', k .. 'r' .. text)
  local letters = redis.call('ZRANGE', k .. 'i' .. text, 0, -1)
  -- Its lane too where the record itself says another: it must not be found again and again.
  local listed = { f[1] .. text }
  for lane in pairs(reasons(value, letters)) do
    if lane ~= f[1] then listed[#listed + 1] = lane .. text end
  end
  redis.call('ZREM', k .. 'd', unpack(listed))
  redis.call('ZADD', k .. 'le', lease_end, text)
  redis.call('HSET', k .. 'ln', text, nonce)
  local row = { text, nonce, value or '' }
  for _, member in ipairs(letters) do
    if #row >= most + 3 then break end
    local _, _, ready, _, came = letter_head(member)
    if came or ready <= s.now then row[#row + 1] = member end
  end
  return row
end

-- prefix, now, partitions, limit, end of the lease, first digits of the nonces, most letters.
local function claim(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  for _, p in ipairs(parts) do end_leases(s, key(s.prefix, p)) end
  local out = {}
  for n, f in ipairs(ripe(s, parts, tonumber(args[4]))) do
    out[n] = lease(s, f, args[5], args[6] .. string.format('%03x', n), tonumber(args[7]))
  end
  return { out, oldest_outbox(args[1], parts) }
end

-- prefix, now, gateway, (partition, record, nonce, until)*
local function release(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  for i = 4, #args, 4 do
    local k, text = key(args[1], args[i]), args[i + 1]
    local lease = redis.call('HGET', k .. 'ln', text)
    if lease == args[i + 2] .. '+' then
      redis.call('ZREM', k .. 'le', text)
      redis.call('HDEL', k .. 'ln', text)
      relist(s, k, text)
    elseif lease == args[i + 2] then
      redis.call('HSET', k .. 'ln', text, '')
      redis.call('ZADD', k .. 'le', args[i + 3], text)
      note(s, tonumber(args[i + 3]))
    end
  end
  finish(s, args[3])
  return s.earliest and string.format('%.0f', s.earliest) or ''
end

-- prefix, now, partitions, trims: the next due or lease end, since when the outbox waits.
local function next_due(_, args)
  local s = begin(args[1], tonumber(args[2]), false)
  local parts = split(args[3])
  trims(args[1], args[4])
  local best
  for _, p in ipairs(parts) do
    local k = key(s.prefix, p)
    end_leases(s, k)
    local ends = redis.call('ZRANGE', k .. 'le', 0, 0, 'WITHSCORES')
    if ends[2] and (not best or tonumber(ends[2]) < best) then best = tonumber(ends[2]) end
    for _, f in ipairs(firsts(k)) do
      if not best or f[2] < best then best = f[2] end
    end
  end
  return { best and string.format('%.0f', best) or '', oldest_outbox(args[1], parts) }
end

redis.register_function('LIBRARY_peek', peek)
redis.register_function('LIBRARY_claim', fenced(claim))
redis.register_function('LIBRARY_release', release)
redis.register_function('LIBRARY_next_due', next_due)
