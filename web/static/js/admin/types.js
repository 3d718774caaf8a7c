/**
 * What the admin API answers; types only.
 *
 * @typedef {object} MailboxDocument
 * @property {number} queued
 * @property {number} high_water
 * @property {number} bound
 * @property {number} dropped
 * @property {number} conflated
 *
 * @typedef {object} SupervisorDocument
 * @property {string} strategy
 * @property {number} intensity
 * @property {number} period
 * @property {number} restarts_in_window
 *
 * @typedef {object} ActorDocument
 * @property {string} path
 * @property {string} kind
 * @property {string} actor
 * @property {string} state
 * @property {string} restart
 * @property {number} generation
 * @property {number} restarts
 * @property {string | null} last_exit
 * @property {number | null} last_exit_ago
 * @property {string | null} last_trace
 * @property {number | null} uptime
 * @property {MailboxDocument | null} mailbox
 * @property {number} unanswered_calls
 * @property {number} handled
 * @property {number} handling_seconds
 * @property {number | null} handling_p50
 * @property {number | null} handling_p95
 * @property {SupervisorDocument | null} supervisor
 * @property {ActorDocument[]} children
 * @property {Record<string, number>} folded how many children are left out, by state
 *
 * @typedef {object} Entry one line of the event log
 * @property {number} number
 * @property {number} at ms
 * @property {string} kind
 * @property {string} path
 * @property {number} [generation]
 * @property {string} [reason]
 * @property {string} [decision]
 * @property {number} [down_ms]
 * @property {string} [detail]
 * @property {number} [more]
 * @property {string} [correlation] of its lines in the log
 *
 * @typedef {object} Crash
 * @property {number} number
 * @property {number} at
 * @property {string} path
 * @property {number} generation
 * @property {string} reason
 * @property {string} decision
 * @property {string | null} trace
 * @property {string | null} correlation
 *
 * @typedef {object} RestartEntry
 * @property {number} number
 * @property {number} at
 * @property {string} path
 * @property {number} generation
 * @property {string | null} reason
 * @property {number | null} down_ms
 *
 * @typedef {object} Transition
 * @property {number} number
 * @property {number} at
 * @property {string} path of the circuit breaker
 * @property {string} left
 * @property {string} entered
 * @property {string} reason
 * @property {boolean} forced
 *
 * @typedef {object} Incidents
 * @property {number} run
 * @property {number} last
 * @property {number} now
 * @property {Crash[]} crashes
 * @property {RestartEntry[]} restarts
 * @property {Transition[]} transitions
 *
 * @typedef {object} CircuitFigures
 * @property {string} computed
 * @property {string | null} forced
 * @property {number | null} forced_until
 * @property {number} since
 * @property {number} openings
 * @property {number} calls
 * @property {number} failures
 * @property {number} slow_calls
 * @property {number | null} failure_rate
 * @property {number | null} slow_rate
 * @property {number} failure_threshold
 * @property {number} slow_threshold
 * @property {number} window
 * @property {boolean} window_is_seconds
 * @property {number} minimum_calls
 * @property {number} in_flight
 * @property {number} successful
 * @property {number} failed
 * @property {number} not_permitted
 *
 * @typedef {object} Sample
 * @property {number} at
 * @property {number} memory bytes
 * @property {number | null} files
 * @property {number} threads
 * @property {number} tasks
 * @property {number} cpu percent
 * @property {number} lag_ms
 *
 * @typedef {object} SlowClient
 * @property {number} number
 * @property {string} name
 * @property {string} address
 * @property {number} symbols
 * @property {boolean} everything
 * @property {boolean} slow
 * @property {number} behind
 * @property {number} silent
 * @property {number} waiting
 *
 * @typedef {object} History
 * @property {boolean} ok
 * @property {string | null} reason why it is not
 * @property {{up: boolean, reason: string, since: number, replica: Replica | null} | null} database
 * @property {Recorder | null} recorder
 * @property {number} waiting batches in memory
 * @property {number} rows in them
 * @property {number | null} oldest ms
 * @property {number} lag_seconds
 *
 * @typedef {object} Replica
 * @property {number} connections of history queries to it
 * @property {number | null} as_of ms; it has all that was recorded before
 * @property {string} reason
 *
 * @typedef {object} Recorder counts of this process
 * @property {number} recorded_ticks
 * @property {number} spooled batches on disk
 * @property {number} spool_bytes
 * @property {number} rejected
 * @property {number} rejected_gone
 * @property {number} lost
 * @property {number} unread_batches lost, and of so many bytes, without its being known how many prices
 * @property {number} unread_bytes
 * @property {number} dropped
 * @property {number | null} lost_at ms, the last time
 * @property {string | null} alert
 *
 * @typedef {{state: string, as_of: number | null, interval: number, reason: string | null}} FeedStatus
 *
 * @typedef {{status: {state: string, since: number, next_probe: number | null, reason: string | null} | null, figures: CircuitFigures | null}} Breaker
 *
 * @typedef {object} Upstream
 * @property {string} name
 * @property {FeedStatus} feed
 * @property {Breaker} breaker
 * @property {Symbols | null} symbols null before its first answer
 * @property {Record<string, number>} troubles since it started, by kind; each bad item counts
 *
 * @typedef {{tone: "warn" | "bad", part: string, text: string}} Reason
 * @typedef {{tone: "good" | "warn" | "bad", ready: boolean, reasons: Reason[]}} Verdict
 *
 * @typedef {{share: number, seconds: number, began: number, chosen: number, told: number, running: boolean, closed: boolean}} DrainStatus
 * @typedef {{number: number, name: string, address: string, who: string, agent: string, since: string | null, symbols: number, everything: boolean, lag: number, silent: number, waiting: number, slow: boolean, leaving: boolean}} ConnectionRow times in seconds
 *
 * @typedef {object} FeedDetails times in ISO 8601
 * @property {string} name
 * @property {number | null} p50 seconds
 * @property {number | null} p95
 * @property {number} recent
 * @property {Record<string, number>} outcomes
 * @property {number} told
 * @property {number} newer
 * @property {number} refused
 * @property {{at: string, kind: string, detail: string, said: string | null, correlation: string | null} | null} trouble
 * @property {{at: string, status: number, size: number, content_type: string, text: string} | null} body
 * @property {{number: number, phase: string, since: string, symbols: number, failures: number, reason: string | null, tone: "good" | "warn" | "bad", opened: string | null, heard: string | null, priced: string | null, told: string | null, frame: string | null}[]} lines of one that is pushed to
 * @property {boolean} pushed
 * @property {"live" | "stale" | "down"} state
 * @property {string | null} reason
 * @property {number} interval seconds
 * @property {number} stale_after seconds
 * @property {string | null} confirmed
 * @property {string | null} ended the last fetch, or attempt to connect
 * @property {number | null} age_p50 seconds
 * @property {number | null} age_p95
 *
 * @typedef {{number: number, at: number, level: string, part: string, event: string, correlation_id: string | null, fields: Record<string, string>, trace: string | null}} LogLine
 * @typedef {{name: string, level: string, lent: {level: string, who: string, seconds_left: number} | null}} LoggerRow
 * @typedef {{node: string, version: string, commit: string, python: string, started: number, schema: string | null, settings: {name: string, group: string, value: string | number | boolean | string[] | null, source: string}[]}} About
 * @typedef {{at: string, who: string, action: string, target: string | null, outcome: string, correlation_id: string | null}} AuditLine
 *
 * @typedef {object} CallQueue times in ms since 1970
 * @property {number} waiting
 * @property {number | null} oldest
 * @property {{receiver: string, waiting: number, oldest: number | null, failures: number, reason: string | null}[]} receivers
 * @property {{alert: number, receiver: string, symbol: string, attempts: number, status: number | null, reason: string | null, ended_at: number | null, correlation: string}[]} dead
 *
 * @typedef {object} LetterQueue times in ms since 1970
 * @property {number} waiting
 * @property {number | null} oldest
 * @property {{domain: string, waiting: number, oldest: number, attempts: number, reason: string | null}[]} domains
 * @property {{letter: number, receiver: string, symbol: string | null, attempts: number, status: number | null, reason: string | null, ended_at: number | null, barred: string | null, correlation: string}[]} dead
 *
 * @typedef {object} MailStatus counts of this process; times in ms since 1970
 * @property {number} delivered
 * @property {number} failed
 * @property {number} dead
 * @property {string} server
 * @property {string | null} trouble why it takes no letters now
 * @property {number | null} trouble_since
 * @property {string | null} last_error
 * @property {number | null} last_error_at
 * @property {number | null} taken_at
 *
 * @typedef {object} Course times in ms since 1970
 * @property {string[]} names
 * @property {number} start
 * @property {number} end
 * @property {number} step
 * @property {(number | null)[][]} points the time at its end, then the figures
 * @property {{started: number, ended: number | null, how: string | null}[]} runs
 *
 * @typedef {object} ItemsDocument times in ISO 8601
 * @property {{upstream: string, kind: string, times: number, at: string | null, example: string | null, said: string | null, correlation: string | null}[]} kinds
 * @property {{upstream: string, symbol: string, reason: string, missing: boolean, stale: boolean, times: number, at: string | null, detail: string | null, confirmed: string | null}[]} symbols
 * @property {number} found
 *
 * @typedef {object} Overview
 * @property {Verdict} verdict
 * @property {string} node
 * @property {number} now ms
 * @property {Upstream[]} upstreams by name
 * @property {{status: FeedStatus | null, symbols: number, stale: number, batches: number}} feed all feeds as one, as clients are told
 * @property {{connected: number, subscribed: number, behind: number, slow: number, worst: SlowClient[], drain: DrainStatus | null}} clients
 * @property {{rules: number, fired: number, unstored: number, withheld: number} | null} alerts
 * @property {{delivered: number, failed: number, dead: number, under_way: number} | null} webhooks
 * @property {MailStatus | null} mail null where no mail is sent
 * @property {History} history
 * @property {{started: number, before: PastRun | null, samples: Sample[]}} process
 * @property {Cluster | null} cluster null on a single node
 *
 * @typedef {object} Cluster as this node sees it
 * @property {string} node this one
 * @property {number} boot
 * @property {"ready" | "joining" | "alone" | "standing_by"} state
 * @property {Member[]} members
 * @property {string[]} fetches_alone
 * @property {{up: boolean, server: string, reason: string, seconds: number} | null} bus
 * @property {number | null} echo_age_seconds
 * @property {number | null} echo_seconds
 * @property {string[]} troubles
 *
 * @typedef {object} Member
 * @property {string} node
 * @property {number} boot
 * @property {boolean} ready
 * @property {string[]} fetches
 * @property {number} silent_seconds
 * @property {string} version
 * @property {string | null} address
 * @property {number} load
 * @property {number} clients
 * @property {number | null} clock_ahead_seconds
 *
 * @typedef {object} Symbols what an upstream confirms
 * @property {number} told in its last answer
 * @property {number} unasked before that
 * @property {{reason: string, count: number, some: string[]}[]} stale
 *
 * @typedef {object} SymbolDocument times in ISO 8601
 * @property {string} symbol
 * @property {number | null} price
 * @property {"live" | "stale" | null} state null when no answer told it acceptably
 * @property {string | null} reason
 * @property {string | null} confirmed
 * @property {{upstream: string, confirmed: string | null, lapsed: string | null, refused: {reason: string, detail: string, at: string} | null}[]} upstreams
 *
 * @typedef {object} PastRun
 * @property {number} started ms
 * @property {number | null} ended ms; null, as `how`, when it had no time to say so
 * @property {"stopped" | "gave_up" | "crashed" | null} how
 *
 * @typedef {object} Target
 * @property {string} path
 * @property {string} kind
 * @property {number} generation
 * @property {boolean} [restartable]
 * @property {{actors: number, clients: number, disconnects?: boolean}} blast_radius
 * @property {number | null} budget_left
 *
 * @typedef {object} ActiveFault
 * @property {string} id
 * @property {string} action
 * @property {string} target
 * @property {number} since
 * @property {number | null} until
 *
 * @typedef {object} ChaosStatus
 * @property {boolean} enabled
 * @property {{id: string, title: string, started: number, deadline: number} | null} experiment
 * @property {ActiveFault[]} active
 */
export {};
