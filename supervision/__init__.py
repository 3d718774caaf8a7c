"""Actors and supervisors on trio, with the semantics of OTP. Start with README.md."""

from .actor import IGNORE, Actor, Continue, Ignore
from .children import ChildInfo, ChildState, Counts
from .context import correlation_id
from .crash_log import CrashLog
from .deadlines import Timer
from .depths import MailboxDepth, mailbox_depths
from .dynamic import DynamicSupervisor, dynamic_supervisor
from .errors import (
    AlreadyPresent,
    AlreadyRegistered,
    AlreadyStarted,
    BadInit,
    CallError,
    CallingSelf,
    CallTimeout,
    InvalidHandler,
    ManagementError,
    MaxChildren,
    MonitorCancelled,
    NoProc,
    NoTasks,
    NotFound,
    NotTheWriter,
    Overloaded,
    Restarting,
    ServerExited,
    SpecError,
    StartFailed,
    StartTimeout,
    StillRunning,
    SupervisionError,
    UnhandledRequest,
)
from .events import (
    AutoShutdownTriggered,
    CastDropped,
    CastToNobody,
    Event,
    Exited,
    FailedStart,
    IntensityExceeded,
    KeyFailed,
    RestartScheduled,
    ShutdownTimedOut,
    Started,
    StartIgnored,
    StillAlive,
    Subscriber,
    TaskFailed,
    TerminateFailed,
    UnhandledMessage,
)
from .exits import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crash,
    Exit,
    ExitReason,
    FailedToStartChild,
    Killed,
    NoProcess,
    Normal,
    Shutdown,
    is_clean,
)
from .faults import Fault, inject_crash, inject_fault, lift_fault
from .groups import Groups, GroupStatistics
from .introspection import get_state, resume, suspend
from .last_exit import LastExit
from .mailbox import Conflate, DropNewest, DropOldest, MailboxPolicy, MailboxStatistics
from .management import (
    count_children,
    delete_child,
    replace_child,
    replace_soon,
    restart_child,
    start_child,
    terminate_child,
    which_children,
)
from .messages import Caller, Down, Request, handles, replies_later
from .monitor import Monitor
from .partitions import PartitionSupervisor, partition, partition_of, partition_supervisor
from .policy import AutoShutdown, Backoff, Decision, Restart, Strategy
from .ref import ActorRef
from .running import run
from .snapshot import ActorSnapshot, SupervisorSnapshot, snapshot
from .spec import BRUTAL_KILL, ChildSpec, Flags, Kind
from .supervisor import Supervisor, supervisor
from .system import ROOT, System
from .table import Ownership, Slot, Table, TableStatistics
from .task_supervisor import Task, TaskSupervisor, task_supervisor
from .tracing import Handled, Sent, Trace, Traced, observe, trace

__all__ = [
    "BRUTAL_KILL", "IGNORE", "KILLED", "NOPROC", "NORMAL", "ROOT", "SHUTDOWN", "Actor",
    "ActorRef", "ActorSnapshot", "AlreadyPresent", "AlreadyRegistered", "AlreadyStarted",
    "AutoShutdown", "AutoShutdownTriggered", "Backoff", "BadInit", "CallError", "CallTimeout",
    "Caller", "CallingSelf", "CastDropped", "CastToNobody", "ChildInfo", "ChildSpec",
    "ChildState", "Conflate", "Continue", "Counts", "Crash", "CrashLog", "Decision", "Down",
    "DropNewest", "DropOldest", "DynamicSupervisor", "Event", "Exit", "ExitReason", "Exited",
    "FailedStart", "FailedToStartChild", "Fault", "Flags", "GroupStatistics", "Groups",
    "Handled", "Ignore", "IntensityExceeded", "InvalidHandler", "KeyFailed", "Killed", "Kind",
    "LastExit", "MailboxDepth", "MailboxPolicy", "MailboxStatistics", "ManagementError",
    "MaxChildren", "Monitor", "MonitorCancelled", "NoProc", "NoProcess", "NoTasks", "Normal",
    "NotFound", "NotTheWriter", "Overloaded", "Ownership", "PartitionSupervisor", "Request",
    "Restart", "RestartScheduled", "Restarting", "Sent", "ServerExited", "Shutdown",
    "ShutdownTimedOut", "Slot", "SpecError", "StartFailed", "StartIgnored", "StartTimeout",
    "Started", "StillAlive", "StillRunning", "Strategy", "Subscriber", "SupervisionError",
    "Supervisor", "SupervisorSnapshot", "System", "Table", "TableStatistics", "Task",
    "TaskFailed", "TaskSupervisor", "TerminateFailed", "Timer", "Trace", "Traced",
    "UnhandledMessage", "UnhandledRequest", "correlation_id", "count_children", "delete_child",
    "dynamic_supervisor", "get_state", "handles", "inject_crash", "inject_fault", "is_clean",
    "lift_fault", "mailbox_depths", "observe", "partition", "partition_of",
    "partition_supervisor", "replace_child", "replace_soon", "replies_later", "restart_child",
    "resume", "run", "snapshot", "start_child", "supervisor", "suspend", "task_supervisor",
    "terminate_child", "trace", "which_children",
]  # fmt: skip
