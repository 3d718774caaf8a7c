#!/usr/bin/env escript
%%! +S 1:1 +SDcpu 1:1
%% Runs scenarios on OTP's own supervisor and writes what happened, one line for each.
%%   supervisors.escript FILE PARALLEL
%% FILE holds terms {Seed, Root, Steps}, as scenarios.py makes them. One scheduler: processes take
%% turns, so the order of events is the order of causes.
-module(supervisors).
-mode(compile).
-export([main/1, init/1, handle_cast/2, handle_call/3, handle_info/2, terminate/2, start_dynamic/4]).

-define(PERIOD, 4).
-define(WAIT, 6500).
-define(HANG, 30). % ms until a worker that hangs is cancelled

main([File, Parallel]) ->
    logger:set_primary_config(level, none),
    {ok, Scenarios} = file:consult(File),
    batches(Scenarios, list_to_integer(Parallel)).

batches([], _) -> ok;
batches(Scenarios, Size) ->
    {Now, Later} = lists:split(min(Size, length(Scenarios)), Scenarios),
    Jobs = [spawn_monitor(fun() -> exit({trace, run(Each)}) end) || Each <- Now],
    [receive
         {'DOWN', Job, process, _, {trace, Trace}} -> io:put_chars([Trace, $\n]);
         {'DOWN', Job, process, _, Other} -> io:format(standard_error, "~p~n", [Other]), halt(1)
     end || {_, Job} <- Jobs],
    batches(Later, Size).

run({_Seed, Root, Steps}) ->
    process_flag(trap_exit, true),
    T = ets:new(scenario, [public, ordered_set]),
    ets:insert(T, {log, []}),
    {First, Ended} = case start(T, Root) of
        {ok, _} -> {"up", no};
        {error, {shutdown, {failed_to_start_child, Id, _}} = Reason} ->
            {["failed ", atom_to_list(Id)], {yes, Reason}}
    end,
    Begun = entry(T, First),
    Done = [entry(T, step(T, Step)) || Step <- Steps],
    Last = entry(T, stop(T, Ended)),
    lists:join("; ", [Begun | Done] ++ [Last]).

entry(T, Answer) ->
    settle(T),
    [{log, Log}] = ets:lookup(T, log),
    ets:insert(T, {log, []}),
    [Answer, "|", lists:join(" ", lists:reverse(Log)), "|", lists:join(" ", states(T))].

%% The end: the root is asked to stop, in order, unless it has ended by itself. Of one that failed to
%% start, OTP 29 has taken the exit signal already; earlier releases leave it in the mailbox.
stop(_, {yes, Reason}) ->
    receive {'EXIT', _, Reason} -> ok after 0 -> ok end,
    text(Reason);
stop(T, no) ->
    Root = pid(T, root),
    is_process_alive(Root) andalso exit(Root, shutdown),
    receive {'EXIT', Root, Reason} -> text(Reason) end.

%% What is done.

step(_, {wait}) -> timer:sleep(?WAIT), "waited";
step(T, {held, Supervisor, Actions}) ->
    case living(T, Supervisor) of
        none -> "none";
        Pid ->
            sys:suspend(Pid),
            Waiting = [under_hold(T, Pid, Action) || Action <- Actions],
            sys:resume(Pid),
            lists:join(",", [answer(Each) || Each <- Waiting])
    end;
step(T, Action) -> action(T, Action).

%% A call is in the mailbox of the held supervisor before the next thing is done.
under_hold(T, _, {exit, _, _} = Exit) -> action(T, Exit);
under_hold(T, Held, Action) ->
    Before = queued(Held),
    Job = spawn_monitor(fun() -> exit({answer, action(T, Action)}) end),
    in_queue(Held, Before, Job).

in_queue(Held, Before, {Pid, _} = Job) ->
    case queued(Held) > Before orelse not is_process_alive(Pid) of
        true -> Job;
        false -> erlang:yield(), in_queue(Held, Before, Job)
    end.

queued(Pid) ->
    {message_queue_len, Length} = process_info(Pid, message_queue_len),
    Length.

answer({Pid, Job}) when is_pid(Pid) ->
    receive {'DOWN', Job, process, Pid, {answer, Answer}} -> Answer end;
answer(Text) -> Text.

action(T, {exit, Id, Reason}) ->
    case living(T, Id) of
        none -> "none";
        Pid ->
            Monitor = monitor(process, Pid),
            case Reason of
                kill -> exit(Pid, kill);
                _ -> gen_server:cast(Pid, {exit, Reason})
            end,
            receive {'DOWN', Monitor, process, Pid, _} -> "did" end
    end;
action(T, {start, Supervisor, Worker}) ->
    managed(T, Supervisor, fun(Pid) -> supervisor:start_child(Pid, spec(T, Worker)) end);
action(T, {terminate, Supervisor, Id}) ->
    managed(T, Supervisor, fun(Pid) -> supervisor:terminate_child(Pid, Id) end);
action(T, {restart, Supervisor, Id}) ->
    managed(T, Supervisor, fun(Pid) -> supervisor:restart_child(Pid, Id) end);
action(T, {delete, Supervisor, Id}) ->
    managed(T, Supervisor, fun(Pid) -> supervisor:delete_child(Pid, Id) end);
action(T, {start_dynamic, Supervisor, Id, Starts}) ->
    managed(T, Supervisor, fun(Pid) -> supervisor:start_child(Pid, [Id, Starts]) end);
action(T, {terminate_dynamic, Supervisor, Id}) ->
    case living(T, Id) of
        none -> "none";
        Child -> managed(T, Supervisor, fun(Pid) -> supervisor:terminate_child(Pid, Child) end)
    end;
action(T, {terminate_first, Supervisor, Id}) -> % by the pid of its first incarnation
    [{_, Child}] = ets:lookup(T, {first, Id}),
    managed(T, Supervisor, fun(Pid) -> supervisor:terminate_child(Pid, Child) end);
action(T, {kill_supervisor, Id}) ->
    Pid = living(T, Id),
    exit(Pid, kill),
    "did";
action(T, {count, Supervisor}) ->
    [{specs, S}, {active, A}, {supervisors, P}, {workers, W}] =
        supervisor:count_children(pid(T, Supervisor)),
    io_lib:format("~b/~b/~b/~b", [S, A, P, W]).

managed(T, Supervisor, Do) ->
    case living(T, Supervisor) of
        none -> "none";
        Pid ->
            try Do(Pid) of
                ok -> "ok";
                {ok, undefined} -> "ignored";
                {ok, _} -> "ok";
                {error, {already_started, _}} -> "already_started";
                {error, Code} when Code =:= not_found; Code =:= running; Code =:= restarting;
                                   Code =:= already_present -> atom_to_list(Code);
                {error, _} -> "start_failed"
            catch
                exit:{noproc, _} -> "noproc";
                exit:{Reason, _} -> ["exited ", text(Reason)]
            end
    end.

%% Looking.

pid(T, Id) ->
    case ets:lookup(T, {pid, Id}) of [{_, Pid}] -> Pid; [] -> none end.

living(T, Id) ->
    case pid(T, Id) of
        none -> none;
        Pid -> case is_process_alive(Pid) of true -> Pid; false -> none end
    end.

all(T) -> [{Id, Pid} || {{pid, Id}, Pid} <- ets:tab2list(T), is_process_alive(Pid)].

%% Until two looks see the same, all processes wait, and no supervisor has a retry before it.
settle(T) -> settle(T, none).

settle(T, Before) ->
    States = states(T),
    erlang:yield(),
    Now = {ets:lookup(T, log), States},
    Resting = lists:all(fun({_, Pid}) -> at_rest(Pid) end, all(T)),
    Retrying = lists:any(fun(State) -> string:find(State, "restarting") =/= nomatch end, States),
    case Now =:= Before andalso Resting andalso not Retrying of
        true -> ok;
        false -> settle(T, Now)
    end.

at_rest(Pid) ->
    case process_info(Pid, [status, message_queue_len]) of
        [{status, waiting}, {message_queue_len, 0}] -> true;
        undefined -> false; % it has ended since
        _ -> false
    end.

states(T) ->
    [State || {Id, Pid} <- all(T), {_, Kind} <- ets:lookup(T, {kind, Id}),
              State <- [state(T, Kind, Id, Pid)], State =/= gone].

state(T, Kind, Id, Pid) ->
    try supervisor:which_children(Pid) of
        Children when Kind =:= static ->
            [atom_to_list(Id), "[",
             lists:join(" ", [[atom_to_list(Child), "=", where(Where)]
                              || {Child, Where, _, _} <- lists:reverse(Children)]), "]"];
        Children ->
            Labels = lists:sort([label(T, Where) || {_, Where, _, _} <- Children]),
            [atom_to_list(Id), "{", lists:join(" ", Labels), "}"]
    catch
        exit:_ -> gone
    end.

where(Pid) when is_pid(Pid) -> "running";
where(undefined) -> "stopped";
where(restarting) -> "restarting".

label(T, Pid) when is_pid(Pid) ->
    case [Id || {{pid, Id}, Known} <- ets:tab2list(T), Known =:= Pid] of
        [Id] -> atom_to_list(Id);
        [] -> "?"
    end;
label(_, Other) -> atom_to_list(Other).

text(normal) -> "normal";
text(shutdown) -> "shutdown";
text({shutdown, term}) -> "shutdown(term)";
text({shutdown, {failed_to_start_child, Id, _}}) -> ["failed ", atom_to_list(Id)];
text(killed) -> "killed";
text(boom) -> "crash".

%% The tree.

start(T, {static, Id, _, _, _, _, _, _} = Spec) ->
    supervisor:start_link(?MODULE, {supervisor, T, Id, Spec}).

spec(T, {worker, Id, Restart, Significant, Stop, Starts}) ->
    ets:insert_new(T, {{starts, Id}, Starts}),
    #{id => Id, restart => Restart, significant => Significant, shutdown => shutdown(Stop),
      start => {gen_server, start_link, [?MODULE, {worker, T, Id, Stop}, []]}};
spec(T, Supervisor) ->
    [_, Id, Restart, Significant | _] = tuple_to_list(Supervisor),
    #{id => Id, restart => Restart, significant => Significant, type => supervisor,
      shutdown => infinity,
      start => {supervisor, start_link, [?MODULE, {supervisor, T, Id, Supervisor}]}}.

shutdown(prompt) -> 60000;
shutdown(hang) -> ?HANG;
shutdown(brutal) -> brutal_kill.

init({supervisor, T, Id, Spec}) ->
    log(T, ["+", atom_to_list(Id)]),
    ets:insert(T, [{{pid, Id}, self()}, {{kind, Id}, element(1, Spec)}]),
    case Spec of
        {static, _, _, _, Strategy, Intensity, Auto, Children} ->
            Flags = #{strategy => Strategy, intensity => Intensity, period => ?PERIOD,
                      auto_shutdown => Auto},
            {ok, {Flags, [spec(T, Child) || Child <- Children]}};
        {dynamic, _, _, _, Intensity, {worker, _, Restart, _, Stop, _}} ->
            Flags = #{strategy => simple_one_for_one, intensity => Intensity, period => ?PERIOD},
            {ok, {Flags, [#{id => dynamic, restart => Restart, shutdown => shutdown(Stop),
                            start => {?MODULE, start_dynamic, [T, Stop]}}]}}
    end;
init({worker, T, Id, Stop}) ->
    process_flag(trap_exit, true),
    [{_, Starts}] = ets:lookup(T, {starts, Id}),
    {What, Rest} = case Starts of [] -> {ok, []}; [Head | Tail] -> {Head, Tail} end,
    ets:insert(T, {{starts, Id}, Rest}),
    log(T, ["+", atom_to_list(Id), case What of ok -> ""; _ -> [":", atom_to_list(What)] end]),
    case What of
        ok ->
            ets:insert(T, {{pid, Id}, self()}),
            ets:insert_new(T, {{first, Id}, self()}),
            {ok, {T, Id, Stop}};
        error -> {stop, boom};
        ignore -> ignore
    end.

start_dynamic(T, Stop, Id, Starts) ->
    ets:insert_new(T, {{starts, Id}, Starts}),
    gen_server:start_link(?MODULE, {worker, T, Id, Stop}, []).

handle_cast({exit, Reason}, {T, Id, _}) ->
    {stop, case Reason of term -> {shutdown, term}; crash -> boom; _ -> Reason end,
     {T, Id, prompt}}.

handle_call(_, _, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.

terminate(Reason, {T, Id, Stop}) ->
    log(T, ["-", atom_to_list(Id), ":", text(Reason)]),
    case Stop of hang -> receive never -> ok end; _ -> ok end.

log(T, Entry) ->
    [{log, Log}] = ets:lookup(T, log),
    ets:insert(T, {log, [Entry | Log]}).
