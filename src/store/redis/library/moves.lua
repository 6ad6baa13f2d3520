-- Moves (export.rs, import.rs). prefix, (partition, record)*: value, journal, letters, names of blobs of each.
local function dump(_, args)
  local out = {}
  for i = 2, #args, 2 do
    local k, text = key(args[1], args[i]), args[i + 1]
    out[#out + 1] = { redis.call('GET', k .. 'r' .. text) or '', redis.call('LRANGE', k .. 'j' .. text, 0, -1),
      redis.call('ZRANGE', k .. 'i' .. text, 0, -1), redis.call('HKEYS', k .. 'b' .. text) }
  end
  return out
end

-- A record as it stood elsewhere, where nothing stands under its name.
local function restore_record(s, take)
  local p, text, value, warning, bit_ = take(), take(), take(), take(), take()
  local k = key(s.prefix, p)
  for _ = 1, tonumber(take()) do redis.call('RPUSH', k .. 'j' .. text, take()) end
  if value ~= '' then
    redis.call('SET', k .. 'r' .. text, value)
    list(s, k, text, reasons(value, {}))
    if warning ~= '' and has(string.byte(value, 26), 2) then
      count_face(s, k, warning, value, 1)
      redis.call('SETBIT', k .. 'c' .. warning, bit_, 1)
      redis.call('SADD', k .. 'cw', warning)
      if stuck(value) then redis.call('SADD', k .. 'nc', text) end
    elseif warning == '' and string.match(text, '^w%d+$') then
      redis.call('ZADD', k .. 'w', string.sub(text, 2), string.sub(text, 2))
    end
  end
  for _ = 1, tonumber(take()) do arrive(s, p, take()) end
end

-- prefix, (R record | T task | F number, item)*, at times long past, so that letters keep theirs.
local function restore(_, args)
  local s = begin(args[1], -2 ^ 62, false)
  local at = 2
  local function take()
    at = at + 1
    return args[at - 1]
  end
  while at <= #args do
    local what = take()
    if what == 'R' then
      restore_record(s, take)
    elseif what == 'T' then
      arrive(s, 'c', take())
    else
      local n = take()
      redis.call('XADD', key(args[1], 'c') .. 'f', n .. '-0', 'i', take())
      redis.call('SET', key(args[1], 'c') .. 'fs', n)
    end
  end
  finish(s)
  return ''
end

redis.register_function('LIBRARY_restore', restore)
reading('LIBRARY_dump', dump)
