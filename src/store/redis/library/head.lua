#!lua name=LIBRARY
-- The store's functions: each changes keys of one partition (of one hash slot), whole or not at all.
--
-- Keys of partition p stand under K = PREFIX:{p:P} and a letter:
--   r<record>  string: header (44 bytes, below), face, body     j<record>  list: one journal row a commit (in front
--              "+n" where the rows before n are in the archive)
--   b<record>  hash: its blobs                                   i<record>  zset: letters by number
--   d          zset: unleased records ("<lane><record>") by lane, then when they are due
--   q          hash: letters waiting, by lane
--   le, ln     zset and hash: leases by their end, and their nonces ('' where given back until then; with + behind
--              where a letter came since, that the holder has not seen)
--   s          the last letter's number                          nc         set: open callouts without a clock
--   c<w>, cw   bitmap of a warning's callouts; set of warnings   n<w>       hash: a warning's kept counts
--   o<p>, om, oa   what is on its way to partition p; its last written and last trimmed ids; since when
--   oi, ol     hashes: the last id that came from each partition; the same when this life began, and under `lives` the one
--              before and this one
--   life       which life of the primary wrote last, and until when it is held (see `fenced`); where one server
--              has all partitions only the control partition has it
-- and, in the control partition c alone:
--   w  zset of warnings    I<identifier>  hash of identities    t, to*, tc*  tasks, open and closed by due
--   f, fs  feed and its last number    D<kind>, V, v<kind>  documents, versions, names of the last changes
--   S  sequences    meta, clock
--
-- Header, big endian: head 16, due 8, lane 1, flags 1, state 1, tier 1, recipient 4, division 8, face's length 4.
-- Flags: 1 has a due, 2 has a face, 4 only told, 8 owes a feedback, 16 in an open state.
-- Every time is the engine's, given by the caller: a test may stand still, and effects are the same on a replica.

local HEADER = 44
local LANES = 7
-- Lanes are divided by more milliseconds than any real time has (until the year 2527).
local LANE = 2 ^ 44
local NONE = '0 -'

local function key(prefix, p)
  return prefix .. ':{p:' .. p .. '}'
end

local function split(text)
  local out = {}
  for word in string.gmatch(text, '%S+') do out[#out + 1] = word end
  return out
end

local function has(flags, bit_)
  return math.floor(flags / bit_) % 2 == 1
end

local function due_of(value)
  return struct.unpack('>i8', value, 17)
end

-- One call's doings: what is summed up and written once at its end.
local function begin(prefix, now, spread)
  return { prefix = prefix, now = now, spread = spread, letters = {}, sums = {}, known = {}, runs = {}, order = {} }
end

local function add(s, name, field, n)
  local sums = s.sums[name]
  if not sums then
    sums = {}
    s.sums[name] = sums
  end
  sums[field] = (sums[field] or 0) + n
end

local function note(s, due)
  if not s.earliest or due < s.earliest then s.earliest = due end
end

local function finish(s, gateway)
  for name, sums in pairs(s.sums) do
    for field, n in pairs(sums) do
      if n ~= 0 and redis.call('HINCRBY', name, field, n) == 0 then redis.call('HDEL', name, field) end
    end
  end
  for k, n in pairs(s.letters) do redis.call('SET', k .. 's', string.format('%.0f', n)) end
  if s.earliest and gateway then
    redis.call('PUBLISH', s.prefix .. ':wake', gateway .. ' ' .. string.format('%.0f', s.earliest))
  end
end

-- Registers one that changes nothing: it is answered even where the server has no memory left.
local function reading(name, f)
  redis.register_function { function_name = name, callback = f, flags = { 'no-writes' } }
end
