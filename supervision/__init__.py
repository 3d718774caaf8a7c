"""Actors and supervisors on trio, with the semantics of OTP. Start with README.md."""

from .actor import IGNORE, Actor, Continue
from .children import ChildInfo, ChildState, Counts
from .context import correlation_id
from .crash_log import CrashLog
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
    IntensityExceeded,
    RestartScheduled,
    ShutdownTimedOut,
    Started,
    StartIgnored,
    Subscriber,
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
)
from .faults import Fault, inject_crash, inject_fault, lift_fault
from .mailbox import Conflate, DropNewest, DropOldest, MailboxPolicy, MailboxStatistics
from .management import (
    count_children,
    delete_child,
    restart_child,
    start_child,
    terminate_child,
    which_children,
)
from .messages import Caller, Down, Request, handles, replies_later
from .monitor import Monitor
from .policy import AutoShutdown, Backoff, Decision, Restart, Strategy
from .ref import ActorRef
from .running import run
from .snapshot import ActorSnapshot, SupervisorSnapshot, snapshot
from .spec import BRUTAL_KILL, ChildSpec, Flags, Kind
from .supervisor import Supervisor, supervisor
from .system import System
from .table import Ownership, Table, TableStatistics

__all__ = [
    "BRUTAL_KILL", "IGNORE", "KILLED", "NOPROC", "NORMAL", "SHUTDOWN", "Actor", "ActorRef",
    "ActorSnapshot", "AlreadyPresent", "AlreadyRegistered", "AlreadyStarted", "AutoShutdown",
    "AutoShutdownTriggered", "Backoff", "BadInit", "CallError", "CallTimeout", "Caller",
    "CallingSelf", "CastDropped", "CastToNobody", "ChildInfo", "ChildSpec", "ChildState",
    "Conflate", "Continue", "Counts", "Crash", "CrashLog", "Decision", "Down", "DropNewest",
    "DropOldest", "DynamicSupervisor", "Event", "Exit", "ExitReason", "Exited",
    "FailedToStartChild", "Fault", "Flags", "IntensityExceeded", "InvalidHandler", "Killed",
    "Kind", "MailboxPolicy", "MailboxStatistics", "ManagementError", "MaxChildren", "Monitor",
    "MonitorCancelled", "NoProc", "NoProcess", "NoTasks", "Normal", "NotFound", "NotTheWriter",
    "Overloaded", "Ownership", "Request", "Restart", "RestartScheduled", "Restarting",
    "ServerExited", "Shutdown", "ShutdownTimedOut", "SpecError", "StartFailed", "StartIgnored",
    "StartTimeout", "Started", "StillRunning", "Strategy", "Subscriber", "SupervisionError",
    "Supervisor", "SupervisorSnapshot", "System", "Table", "TableStatistics", "TerminateFailed",
    "UnhandledMessage", "UnhandledRequest", "correlation_id", "count_children", "delete_child",
    "dynamic_supervisor", "handles", "inject_crash", "inject_fault", "lift_fault",
    "replies_later", "restart_child", "run", "snapshot", "start_child", "supervisor",
    "terminate_child", "which_children",
]  # fmt: skip
