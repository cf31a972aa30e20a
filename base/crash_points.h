/* crash_points.h - the registry of crash points: where tests make a program die or fail.
 *
 * X(name, who, what): `who` passes it (COORDINATOR, AGENT or both), `what` may happen there.
 * A point that can only be passed may KILL or ABORT; one that asks CRASH_ERROR can also be
 * given an error of the system (EIO, FULL).  Names read as `where_when`: the bare verb is
 * before it is done, its past tense after.
 * tests/crash generates its cases from this list; a point that no workload reaches
 * fails there.  See docs/testing.md. */
#ifndef BASE_CRASH_POINTS_H
#define BASE_CRASH_POINTS_H

enum crash_who { CRASH_COORDINATOR = 1, CRASH_AGENT = 2 };
enum crash_what { CRASH_KILL = 1, CRASH_ABORT = 2, CRASH_EIO = 4, CRASH_FULL = 8 };

#define CRASH_BOTH  (CRASH_COORDINATOR | CRASH_AGENT)
#define CRASH_DIES  (CRASH_KILL | CRASH_ABORT)
#define CRASH_FAILS (CRASH_DIES | CRASH_EIO)

/* clang-format off */
#define CRASH_POINTS(X) \
	/* SQLite's files: the journal; an agent's ledger and its SQLite resources. */ \
	X(disk_open, CRASH_BOTH, CRASH_FAILS) \
	X(disk_read, CRASH_BOTH, CRASH_FAILS) \
	X(disk_write, CRASH_BOTH, CRASH_FAILS | CRASH_FULL) \
	X(disk_torn, CRASH_BOTH, CRASH_DIES) \
	X(disk_written, CRASH_BOTH, CRASH_DIES) \
	X(disk_sync, CRASH_BOTH, CRASH_FAILS) \
	X(disk_synced, CRASH_BOTH, CRASH_DIES) \
	X(disk_truncate, CRASH_BOTH, CRASH_FAILS) \
	X(disk_truncated, CRASH_BOTH, CRASH_DIES) \
	X(disk_delete, CRASH_BOTH, CRASH_FAILS) \
	X(disk_deleted, CRASH_BOTH, CRASH_DIES) \
	/* Frames between coordinator and agents; an error breaks the connection. */ \
	X(wire_read, CRASH_BOTH, CRASH_FAILS) \
	X(wire_write, CRASH_BOTH, CRASH_FAILS) \
	X(wire_written, CRASH_BOTH, CRASH_DIES) \
	/* The coordinator's start: journal, epoch, replay, listening. */ \
	X(journal_open, CRASH_COORDINATOR, CRASH_DIES) \
	X(epoch_raise, CRASH_COORDINATOR, CRASH_DIES) \
	X(epoch_raised, CRASH_COORDINATOR, CRASH_DIES) \
	X(journal_opened, CRASH_COORDINATOR, CRASH_DIES) \
	X(replay_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(replay_record, CRASH_COORDINATOR, CRASH_DIES) \
	X(replay_done, CRASH_COORDINATOR, CRASH_DIES) \
	X(listen_done, CRASH_COORDINATOR, CRASH_DIES) \
	/* Its turn, and what is decided in it. */ \
	X(turn_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(decide_commit, CRASH_COORDINATOR, CRASH_DIES) \
	X(decide_abort, CRASH_COORDINATOR, CRASH_DIES) \
	X(step_record, CRASH_COORDINATOR, CRASH_DIES) \
	X(saga_record, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_close, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_queued, CRASH_COORDINATOR, CRASH_DIES) \
	X(effect_release, CRASH_COORDINATOR, CRASH_DIES) \
	X(turn_done, CRASH_COORDINATOR, CRASH_DIES) \
	/* The journal's writer, to the moment at which the loop hears of it. */ \
	X(batch_write, CRASH_COORDINATOR, CRASH_DIES) \
	X(record_write, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_commit, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_durable, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_told, CRASH_COORDINATOR, CRASH_DIES) \
	X(batch_heard, CRASH_COORDINATOR, CRASH_DIES) \
	X(checkpoint_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(checkpoint_done, CRASH_COORDINATOR, CRASH_DIES) \
	X(prune_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(prune_done, CRASH_COORDINATOR, CRASH_DIES) \
	/* Polls of agents, and the replies to them. */ \
	X(agent_accept, CRASH_COORDINATOR, CRASH_FAILS) \
	X(agent_accepted, CRASH_COORDINATOR, CRASH_DIES) \
	X(agent_lost, CRASH_COORDINATOR, CRASH_DIES) \
	X(poll_received, CRASH_COORDINATOR, CRASH_DIES) \
	X(poll_decoded, CRASH_COORDINATOR, CRASH_DIES) \
	X(poll_handled, CRASH_COORDINATOR, CRASH_DIES) \
	X(reply_send, CRASH_COORDINATOR, CRASH_DIES) \
	X(reply_sent, CRASH_COORDINATOR, CRASH_DIES) \
	/* Clients: a request, its answer, the lines of a stream; an error cuts the connection. */ \
	X(client_accept, CRASH_COORDINATOR, CRASH_FAILS) \
	X(request_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(request_received, CRASH_COORDINATOR, CRASH_FAILS) \
	X(request_handed, CRASH_COORDINATOR, CRASH_DIES) \
	X(answer_given, CRASH_COORDINATOR, CRASH_DIES) \
	X(answer_send, CRASH_COORDINATOR, CRASH_FAILS) \
	X(answer_sent, CRASH_COORDINATOR, CRASH_DIES) \
	X(request_over, CRASH_COORDINATOR, CRASH_DIES) \
	X(stream_line, CRASH_COORDINATOR, CRASH_DIES) \
	X(stream_send, CRASH_COORDINATOR, CRASH_FAILS) \
	/* The coordinator's orderly stop. */ \
	X(drain_begin, CRASH_COORDINATOR, CRASH_DIES) \
	X(drain_done, CRASH_COORDINATOR, CRASH_DIES) \
	X(stop_clients, CRASH_COORDINATOR, CRASH_DIES) \
	X(stop_agents, CRASH_COORDINATOR, CRASH_DIES) \
	X(journal_close, CRASH_COORDINATOR, CRASH_DIES) \
	X(journal_closed, CRASH_COORDINATOR, CRASH_DIES) \
	/* An agent's start and its orderly stop. */ \
	X(resource_open, CRASH_AGENT, CRASH_DIES) \
	X(uplink_open, CRASH_AGENT, CRASH_DIES) \
	X(agent_stop, CRASH_AGENT, CRASH_DIES) \
	X(agent_close, CRASH_AGENT, CRASH_DIES) \
	X(resource_closed, CRASH_AGENT, CRASH_DIES) \
	X(agent_closed, CRASH_AGENT, CRASH_DIES) \
	/* Its connection, polls and the replies to them. */ \
	X(uplink_connect, CRASH_AGENT, CRASH_FAILS) \
	X(uplink_up, CRASH_AGENT, CRASH_DIES) \
	X(uplink_lost, CRASH_AGENT, CRASH_DIES) \
	X(poll_send, CRASH_AGENT, CRASH_DIES) \
	X(poll_sent, CRASH_AGENT, CRASH_DIES) \
	X(reply_received, CRASH_AGENT, CRASH_DIES) \
	X(reply_decoded, CRASH_AGENT, CRASH_DIES) \
	X(reply_handled, CRASH_AGENT, CRASH_DIES) \
	/* Commands carried out: work, the end of a branch, a saga's call; results; sweeps. */ \
	X(command_begin, CRASH_AGENT, CRASH_DIES) \
	X(work_begin, CRASH_AGENT, CRASH_DIES) \
	X(work_ended, CRASH_AGENT, CRASH_DIES) \
	X(finish_begin, CRASH_AGENT, CRASH_DIES) \
	X(finish_ended, CRASH_AGENT, CRASH_DIES) \
	X(call_begin, CRASH_AGENT, CRASH_DIES) \
	X(call_ended, CRASH_AGENT, CRASH_DIES) \
	X(result_put, CRASH_AGENT, CRASH_DIES) \
	X(result_kept, CRASH_AGENT, CRASH_DIES) \
	X(sweep_begin, CRASH_AGENT, CRASH_DIES) \
	X(sweep_listed, CRASH_AGENT, CRASH_DIES) \
	X(inquiry_put, CRASH_AGENT, CRASH_DIES) \
	X(verdict_received, CRASH_AGENT, CRASH_DIES) \
	/* PostgreSQL's sessions; an error breaks the connection. */ \
	X(pg_connect, CRASH_AGENT, CRASH_FAILS) \
	X(pg_up, CRASH_AGENT, CRASH_DIES) \
	X(pg_lost, CRASH_AGENT, CRASH_DIES) \
	X(pg_fence_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_fenced, CRASH_AGENT, CRASH_DIES) \
	X(pg_send, CRASH_AGENT, CRASH_FAILS) \
	X(pg_sent, CRASH_AGENT, CRASH_DIES) \
	X(pg_receive, CRASH_AGENT, CRASH_FAILS) \
	/* PostgreSQL: the work of a branch, and its promise. */ \
	X(pg_begin, CRASH_AGENT, CRASH_DIES) \
	X(pg_prepare_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_prepare_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_prepare_answered, CRASH_AGENT, CRASH_FAILS) \
	X(pg_unprepare_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_unprepare_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_unprepare_answered, CRASH_AGENT, CRASH_FAILS) \
	/* PostgreSQL: one phase, with its barrier row. */ \
	X(pg_once_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_once_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_once_worked, CRASH_AGENT, CRASH_FAILS) \
	X(pg_once_commit, CRASH_AGENT, CRASH_DIES) \
	X(pg_once_commit_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_once_committed, CRASH_AGENT, CRASH_FAILS) \
	X(pg_settle_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_settle_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_settled, CRASH_AGENT, CRASH_FAILS) \
	/* PostgreSQL: the end of a branch, and the list of those that are prepared. */ \
	X(pg_commit_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_commit_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_commit_answered, CRASH_AGENT, CRASH_FAILS) \
	X(pg_rollback_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_rollback_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_rollback_answered, CRASH_AGENT, CRASH_FAILS) \
	X(pg_list_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_listed, CRASH_AGENT, CRASH_FAILS) \
	/* PostgreSQL: a saga's call, with its barrier rows. */ \
	X(pg_call_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_call_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_undo_looked, CRASH_AGENT, CRASH_FAILS) \
	X(pg_call_worked, CRASH_AGENT, CRASH_FAILS) \
	X(pg_call_commit, CRASH_AGENT, CRASH_DIES) \
	X(pg_call_commit_sent, CRASH_AGENT, CRASH_FAILS) \
	X(pg_call_committed, CRASH_AGENT, CRASH_FAILS) \
	X(pg_key_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_key_read, CRASH_AGENT, CRASH_FAILS) \
	/* PostgreSQL: statements cancelled, lost backends ended. */ \
	X(pg_cancel_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_cancelled, CRASH_AGENT, CRASH_DIES) \
	X(pg_terminate_send, CRASH_AGENT, CRASH_DIES) \
	X(pg_terminated, CRASH_AGENT, CRASH_DIES) \
	/* SQLite resources, and the ledger of HTTP and exec. */ \
	X(sqlite_begin, CRASH_AGENT, CRASH_DIES) \
	X(sqlite_call, CRASH_AGENT, CRASH_DIES) \
	X(sqlite_called, CRASH_AGENT, CRASH_DIES) \
	X(sqlite_commit, CRASH_AGENT, CRASH_DIES) \
	X(sqlite_committed, CRASH_AGENT, CRASH_DIES) \
	X(ledger_commit, CRASH_AGENT, CRASH_DIES) \
	X(ledger_committed, CRASH_AGENT, CRASH_DIES) \
	/* Commands, requests, plugins. */ \
	X(exec_spawn, CRASH_AGENT, CRASH_FAILS) \
	X(exec_spawned, CRASH_AGENT, CRASH_DIES) \
	X(exec_feed, CRASH_AGENT, CRASH_DIES) \
	X(exec_fed, CRASH_AGENT, CRASH_DIES) \
	X(exec_ended, CRASH_AGENT, CRASH_DIES) \
	X(exec_reaped, CRASH_AGENT, CRASH_DIES) \
	X(http_begin, CRASH_AGENT, CRASH_DIES) \
	X(http_send, CRASH_AGENT, CRASH_FAILS) \
	X(http_answer, CRASH_AGENT, CRASH_DIES) \
	X(http_ended, CRASH_AGENT, CRASH_FAILS) \
	X(plugin_call, CRASH_AGENT, CRASH_DIES) \
	X(plugin_called, CRASH_AGENT, CRASH_DIES) \
	X(plugin_heard, CRASH_AGENT, CRASH_DIES)
/* clang-format on */

#endif
