"""The tables of a library, and their version.

Times are whole ticks of a footage's own time base (`pts`), never seconds in floating point; frame numbers count from 0
in presentation order. JSON columns hold lists or objects. Pixels and tensors are never here: `tensors` says where they
lie.
"""

VERSION = 2

APPLICATION = 0x4D617265  # "Mare" in SQLite's application_id: this file is a library's and no other program's

MIGRATIONS: dict[
    int, str
] = {  # from a version to the next: SQL that is run in one transaction at the first open for writing
    1: """
alter table votes add column key text;
alter table votes add column prompt text not null default '';
alter table votes add column left_arm text not null default '';
alter table votes add column right_arm text not null default '';
alter table votes add column expected text not null default '';
create unique index votes_by_key on votes(key);
"""
}

TABLES = """
create table inputs(            -- one path as it was found
    path text primary key,      -- absolute
    size integer, mtime_ns integer,
    footage text,               -- what it turned out to be; two copies are two inputs of one footage
    status text not null,       -- ok | failed | rejected
    stage text not null,        -- which curation stage gave the status
    reason text not null default ''
);
create table footage(           -- one source video or photograph
    id text primary key,        -- hash of its content
    kind text not null,         -- video | photo
    path text not null,         -- one of its inputs
    bytes integer, container text, codec text, pixel_format text, bit_depth integer,
    width integer, height integer,          -- as shown: after rotation and pixel aspect
    rotation integer not null default 0,    -- degrees clockwise that were applied: 0, 90, 180, 270
    interlaced integer not null default 0,
    time_base text,             -- of all its pts, as '1/12800'
    fps real,                   -- mean rate of the frames that were read, in 1/s
    vfr integer not null default 0,
    frames integer,             -- that the container holds, as far as it is known before the decode
    decoded integer,            -- that were decoded to know it
    seconds real, has_audio integer not null default 0,
    caption text not null default '',       -- from x.txt beside x.mp4
    origin text not null default '[]',      -- JSON list: the works it was made from; sharing one makes a group
    license text not null default 'unknown', source text not null default '', credit text not null default '',
    status text not null, stage text not null, reason text not null default ''
);
create table transitions(
    footage text not null, n integer not null,
    kind text not null,         -- cut | dissolve | fade | wipe
    a_end integer not null,     -- the last whole frame before
    b_start integer not null,   -- the first whole frame after
    a_end_pts integer not null, b_start_pts integer not null,
    confidence real not null,   -- 0..1
    primary key(footage, n)
);
create table clips(
    id text primary key,        -- hash of footage, start and end
    footage text not null, n integer not null,
    start_frame integer not null, end_frame integer not null,   -- both inclusive
    start_pts integer not null, end_pts integer not null,       -- of the first and the last frame
    frames integer not null, seconds real not null,             -- the last frame's own duration included
    width integer not null, height integer not null, fps real,
    stills text not null default '[]',      -- JSON list of kept frame numbers: first, middle, last
    status text not null, stage text not null, reason text not null default ''
);
create table signals(
    clip text not null, name text not null, version text not null,
    value real,                 -- null where data holds a vector or text, or where it is missing
    data text,                  -- JSON
    unit text not null default '', bad text not null default '',   -- which end is bad: low | high | ''
    params text not null default '{}',
    status text not null default 'ok',      -- ok | missing | failed
    reason text not null default '',
    primary key(clip, name)
);
create table captions(
    clip text not null, captioner text not null, version text not null, text text not null,
    status text not null default 'ok', reason text not null default '',
    primary key(clip, captioner)
);
create table selections(
    name text primary key, rules text not null, hash text not null, clips integer not null, made text not null
);
create table selected(selection text not null, clip text not null, primary key(selection, clip));
create table votes(             -- one person's choice between two videos
    id integer primary key, study text not null, left_video text not null, right_video text not null,
    question text not null, choice text not null,   -- left | right | tie
    voter text not null,        -- a nickname; nothing else is known of a person
    milliseconds integer, made text not null,
    key text,                   -- drawn where the vote was given: the same vote twice is one
    prompt text not null default '', left_arm text not null default '', right_arm text not null default '',
    expected text not null default ''       -- of an attention check: the side that is plainly better
);
create table tensors(           -- where an array lies: a safetensors shard and the key in it
    kind text not null,         -- trace | stills | pixels@... | latents@...
    item text not null,
    shard text not null,        -- path inside the library
    key text not null,
    info text not null default '{}',
    primary key(kind, item)
);
create table ledger(            -- what was done: one row an item and curation stage
    item text not null, stage text not null,    -- stage as name@version
    status text not null, reason text not null default '', seconds real, out text not null default '{}',
    primary key(item, stage)
);
create table facts(name text primary key, value text not null);
create index clips_by_footage on clips(footage);
create index signals_by_name on signals(name);
create unique index votes_by_key on votes(key);
"""
