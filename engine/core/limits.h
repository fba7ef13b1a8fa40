// Every bound in one place, with its unit and its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace crossfade::limits {

inline constexpr size_t kMiB = size_t{1024} * 1024;

// Memory. The engine's promise is 96 MiB resident; these are the parts that grow with load.
inline constexpr size_t kBatchBytesMax = 4 * kMiB;       // one part of a change batch
inline constexpr size_t kCopyBufferBytesMax = 4 * kMiB;  // one COPY buffer, before a larger row
inline constexpr size_t kQueueBytesMax = 16 * kMiB;      // 4 batches: the tail never runs far ahead
static_assert(kBatchBytesMax <= kQueueBytesMax);
static_assert(kCopyBufferBytesMax <= kQueueBytesMax);
inline constexpr size_t kSqliteCacheKiB =
    2048;  // per connection; the page cache of the OS does the rest

// Snapshot. A chunk's read transaction pins the WAL, so it is short.
inline constexpr int64_t kChunkRowsMax = 50'000;
inline constexpr std::chrono::milliseconds kChunkReadMax{250};
// What may be read in one piece though writers wait for its end: as long as kChunkReadMax from a
// disk of 64 MiB/s.
inline constexpr auto kLockedLookBytesMax = static_cast<int64_t>(16 * kMiB);

// Inspection, beside the evidence. A size read pins the WAL like a chunk does; twice as long, as it
// cannot be resumed.
inline constexpr std::chrono::milliseconds kSizeReadMax{500};    // per table or index
inline constexpr std::chrono::milliseconds kSizesMax{5'000};     // in all
inline constexpr std::chrono::milliseconds kWriteWatchMin{300};  // between the looks at the writers
inline constexpr std::chrono::milliseconds kInspectTargetMax{5'000};  // per answer of the target

// Verification. Keys and digests of one chunk are held: 4096 x (16 B digest + key).
inline constexpr int64_t kVerifyChunkRows = 4096;
inline constexpr int64_t kVerifyUnorderedRowsMax =
    200'000;                                     // tables whose order the sides disagree on
inline constexpr size_t kDirtyKeysMax = 20'000;  // checked inside the cutover pause
inline constexpr size_t kNearKeysMax = 2'000;    // before either pause begins
inline constexpr size_t kSamplesMax = 10;        // keys named per table and kind

inline constexpr size_t kViewsNestedMax = 50;  // views that read views; bounds the time

// How long a verb waits for an engine that is starting or ending on this machine.
inline constexpr std::chrono::seconds kEngineHandover{3};
// How long an engine that was told to stop waits for its embedded server to go down.
inline constexpr std::chrono::milliseconds kClusterStopPatience{300};
// Between two looks at an embedded server that starts, stops, or is held by another process.
inline constexpr std::chrono::milliseconds kClusterPollInterval{20};

// Following.
inline constexpr std::chrono::milliseconds kPollInterval{
    100};                                        // fallback when inotify says nothing
inline constexpr int64_t kPruneRowsMax = 2'000;  // log rows deleted per write transaction
inline constexpr std::chrono::milliseconds kPruneHoldMax{20};  // of the write lock, for these
inline constexpr std::chrono::milliseconds kPruneInterval{500};
inline constexpr int64_t kApplyTransactionChangesMax =
    2'000'000;  // then commit, though not at a watermark
// Smaller batches go as one pipelined round trip. libpq keeps all of it, and moves what is left
// with each piece that it sends: the time for it grows with the square.
inline constexpr size_t kPipelineRowsMax = 64;
inline constexpr size_t kPipelineBytesMax = kMiB;
static_assert(kPipelineBytesMax <= kBatchBytesMax);

// The change log's bound. Looking reads 64 of its rows.
inline constexpr std::chrono::milliseconds kLogLookInterval{1'000};
inline constexpr std::chrono::milliseconds kLogTakeOutMax{200};  // at a stretch, when given up
inline constexpr int64_t kKeepFreeDefault = 256 * static_cast<int64_t>(kMiB);

// The way back.
inline constexpr int64_t kReverseBatchChangesMax = 10'000;  // then SQLite commits
// How old SQLite's position may get while nothing comes: the server keeps its log from there on.
inline constexpr std::chrono::milliseconds kReversePositionInterval{10'000};
inline constexpr std::chrono::milliseconds kReverseAlignMax{30'000};  // to one state on both sides
inline constexpr std::chrono::milliseconds kReverseSliceMax{250};     // the stream is held so long
inline constexpr std::chrono::milliseconds kReverseNear{5'000};  // behind by less: worth comparing
inline constexpr int kReverseChunkTriesMax = 50;                 // of one chunk, at as many states
// Read of the stream beyond where it is held.
inline constexpr size_t kReverseAheadBytesMax = 16 * kMiB;
inline constexpr std::chrono::milliseconds kReverseAheadMax{2'000};
inline constexpr size_t kReverseRecentMax = 65'536;   // transactions, which a snapshot may not see
inline constexpr int64_t kReverseSettleMax = 10'000;  // rows looked at again
inline constexpr std::chrono::milliseconds kSlotMakeMax{30'000};    // waits for open transactions
inline constexpr std::chrono::milliseconds kSlotReleaseMax{5'000};  // by a reader that has ended
inline constexpr std::chrono::milliseconds kSlotCheckInterval{5'000};
// Where an outbox stands in for the slot: between two looks at whether a transaction has ended.
inline constexpr std::chrono::milliseconds kOutboxPollBase{2};
inline constexpr std::chrono::milliseconds kOutboxPollCap{50};
// On the server's disk; beyond it the way back is given up (crossfade.outbox_position.max_bytes).
inline constexpr int64_t kOutboxBytesMax = int64_t{16} << 30;
inline constexpr int64_t kOutboxPruneRowsMax = 10'000;           // per transaction
inline constexpr std::chrono::milliseconds kOutboxPruneMax{50};  // at a stretch, while more waits

// Both sides written to. A lock is waited for on one side while the other may be held: so shortly.
inline constexpr std::chrono::milliseconds kDualLockWait{200};        // for rows on the target
inline constexpr std::chrono::milliseconds kDualSourceLockWait{250};  // for SQLite's write lock
// For an answer while SQLite's writers wait for it: less than the 5 s that most of them wait.
inline constexpr std::chrono::milliseconds kDualAnswerMax{2'000};
inline constexpr size_t kDualBytesPerMs = 10'000;  // and this much longer for what is on the way
inline constexpr std::chrono::milliseconds kDualTurn{10};  // between looks at either side
inline constexpr std::chrono::milliseconds kDualCheckInterval{1'000};  // decisions, numbers, slot
inline constexpr size_t kDualNetBytesMax = 32 * kMiB;     // of the target's changes, then applied
inline constexpr size_t kDualPendingBytesMax = 8 * kMiB;  // of the source's log, under its lock
inline constexpr int kDualReadAheadsMax = 3;  // of a backlog, before it is read under the lock
inline constexpr std::chrono::milliseconds kDualMovingMax{10'000};  // for keys that move meanwhile
inline constexpr int kDualPassesMax = 4;  // over contested rows that are in each other's way
inline constexpr size_t kDualKeysInFlightMax = 200'000;  // written by us, and not yet come back
// A comparison waits for transactions that may have come, and are not visible yet.
inline constexpr std::chrono::milliseconds kDualShownMax{5'000};
inline constexpr int64_t kDualNumbersBlock = 1'000'000;  // keys set apart for the target at a time

// Waiting.
inline constexpr std::chrono::milliseconds kConnectTimeout{5'000};
inline constexpr std::chrono::milliseconds kStatementTimeout{60'000};
// A statement that may take hours is asked about over another connection this often.
inline constexpr std::chrono::milliseconds kLongStatementLook{60'000};
inline constexpr std::chrono::milliseconds kSourceBusyTimeout{5'000};  // installing, fencing
inline constexpr std::chrono::milliseconds kPruneBusyTimeout{5};       // never in the writers' way
inline constexpr std::chrono::milliseconds kLeaseWait{5'000};
// The engine's own dead session may hold it until the server's keepalives find out: 30 + 3 x 10 s.
inline constexpr std::chrono::milliseconds kLeaseResumeWait{75'000};
inline constexpr std::chrono::milliseconds kReconnectBase{50};
inline constexpr std::chrono::milliseconds kReconnectCap{5'000};
inline constexpr int kReconnectAttemptsMax = 60;
// Whoever asked a running engine for something hears that the target is gone after this time.
inline constexpr std::chrono::milliseconds kAskedWithoutTargetMax{30'000};
inline constexpr std::chrono::milliseconds kMaxPauseDefault{5'000};
// For locks on the target's tables; cut to half of its deadlock_timeout, which is 1 s by default.
inline constexpr std::chrono::milliseconds kTargetLockWait{400};
// Between attempts at such a lock.
inline constexpr std::chrono::milliseconds kLockPauseBase{200};
inline constexpr std::chrono::milliseconds kLockPauseCap{3'000};
// How long it is tried where nothing else can go on meanwhile.
inline constexpr std::chrono::milliseconds kLockPatience{20'000};

// The way back.
// What the server gives a transaction that holds up its writers, beyond --max-pause, for this side
// to say something.
inline constexpr std::chrono::milliseconds kPauseLeftOpenMax{1'000};
// The same of locks that are held for one statement more.
inline constexpr std::chrono::milliseconds kLockLeftOpenMax{5'000};
// A stream that says nothing so long is not there any more: as the server's own
// wal_receiver_timeout has it, which also asks after half of it.
inline constexpr std::chrono::milliseconds kStreamSilenceMax{60'000};
// Where the server's administrator has set wal_sender_timeout to none.
inline constexpr std::chrono::milliseconds kStreamSilenceUnlimited{3'600'000};
// For a lock that nobody may be kept waiting behind; below deadlock_timeout's 1 s, so that no
// application's transaction is the victim of a deadlock with it.
inline constexpr std::chrono::milliseconds kPublishLockWait{500};
// What the server is given to say that it gave up, beyond the time it was given.
inline constexpr std::chrono::milliseconds kAnswerPatience{5'000};
// How long a slot's last reader may take to go away.
inline constexpr std::chrono::milliseconds kSlotReleaseWait{3'000};
inline constexpr size_t kMisfitShownBytesMax = 200;

// The way back.
inline constexpr size_t kPutOffBytesMax = 8 * kMiB;   // rows that wait for the transaction's end
inline constexpr size_t kUpdateStatementsMax = 16;    // prepared per table, by the columns they set
inline constexpr size_t kMisfitReasonBytesMax = 500;  // of what is written down about a row
inline constexpr std::chrono::milliseconds kWriteLockPauseBase{1};  // between two tries for the
inline constexpr std::chrono::milliseconds kWriteLockPauseCap{20};  // source's write lock
// For readers of a file that is not in WAL mode, when committing: new ones wait meanwhile.
inline constexpr std::chrono::milliseconds kReverseLockWait{1'000};

// The watch after a cutover.
inline constexpr std::chrono::milliseconds kWatchWindowMax{7 * 24 * 3'600'000};  // a week
inline constexpr std::chrono::milliseconds kWatchEveryMin{100};
inline constexpr std::chrono::milliseconds kWatchEveryDefault{5'000};
inline constexpr int kWatchFailuresDefault = 2;                       // in a row
inline constexpr std::chrono::milliseconds kWatchCommandMax{10'000};  // one that hangs has failed
inline constexpr size_t kWatchCommandBytesMax = 8 * size_t{1024};
inline constexpr std::chrono::milliseconds kWatchRetryBase{1'000};  // between attempts to roll back
inline constexpr std::chrono::milliseconds kWatchRetryCap{60'000};
inline constexpr int kWatchRoundRest = 9;  // comparing takes a tenth of the time at most

// The audit trail. A line is read whole, from the end backwards.
inline constexpr size_t kAuditDetailsBytesMax = 64 * size_t{1024};  // then a digest in their place
inline constexpr int64_t kAuditTailBytesMax = static_cast<int64_t>(kMiB);  // two lines and more
static_assert(kAuditTailBytesMax > 4 * static_cast<int64_t>(kAuditDetailsBytesMax));
inline constexpr std::chrono::milliseconds kAuditHeadInterval{1'000};  // recorded on the target
inline constexpr size_t kAuditDecisionsMax = 64;  // conflicts named in one line

// Backups. Between two steps a writer of a rollback-journal database gets its turn.
inline constexpr int kBackupStepPages = 256;  // 1 MiB of 4 KiB pages: 1 ms, far below kChunkReadMax
inline constexpr std::chrono::milliseconds kBackupStepRest{2};  // only outside WAL mode
inline constexpr int kBackupRestartsMax = 3;                    // by writers; then it is given up
// What a reader may keep SQLite from taking back of the WAL: the file's own size, and this more.
inline constexpr int64_t kBackupWalGrowthMin = 256 * static_cast<int64_t>(kMiB);
inline constexpr int64_t kBackupRoomToSpare = 16 * static_cast<int64_t>(kMiB);  // of the disk
inline constexpr std::chrono::seconds kBackupProgressInterval{5};
inline constexpr std::chrono::hours kDumpMax{24};  // pg_dump and pg_restore
inline constexpr size_t kBackupNameBytesMax = 100;

// PostgreSQL's own.
inline constexpr size_t kPgIdentifierBytesMax = 63;
inline constexpr int kPgNumericPrecisionMax = 1000;  // declared
inline constexpr size_t kPgColumnsMax = 1600;
inline constexpr int kPgVersionMin = 130000;
inline constexpr size_t kPgJsonbStringBytesMax = 0x0FFFFFFF;  // jsonb.h: JENTRY_OFFLENMASK
inline constexpr size_t kPgFieldBytesMax = 0x3FFFFFFF;        // 1 GB - 1, memutils.h MaxAllocSize

// Characters of a row that are searched. tsvector holds 1 MiB - 1. A character takes 4 bytes at
// most and stands in two words at most ("a-b" is a-b, a and b), and each word adds 5 bytes: worst
// is "x-y x-y ...", 8 bytes per character. 100,000 x 8 = 800,000.
inline constexpr int64_t kSearchedCharactersMax = 100'000;
static_assert(kSearchedCharactersMax * 8 < (int64_t{1} << 20) - 1);

// The change log's row holds this many values; a longer image continues in further rows.
inline constexpr size_t kLogValuesPerRow = 32;

// The schema's SQL. SQLite's own bound on an expression's height is 1000; ours keeps recursion over
// a tree below 1 MiB of stack, also under sanitizers.
inline constexpr int kExpressionHeightMax = 200;
inline constexpr size_t kTranslationBytesMax = 64 * 1024;  // of one expression: operands may double

}  // namespace crossfade::limits
