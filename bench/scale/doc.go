// Package scale drives a fleet of virtual users through Sluice's real decision code
// in fake time (testing/synctest), and says what that costs: polls, reads of the
// source, commands and memory of Redis, and how late items are. docs/scale.md is
// its report; ./bench/scale/run writes it.
//
// Real are all that decides about a poll in a gateway: latest.Reader with its
// memory, guard.Source, pace.Pacer, feed.Feed, tune.Window, the cursor and
// backend.Read, and the defaults of proxy/config. Modelled are
//
//   - the browser (schedule.go, browser.go): the first is compared with the client's
//     own TypeScript, number by number, the second with whole tabs of it;
//   - Redis (redis.go): compared with latest.Redis on a real server, command by command;
//   - the app (app.go): its rows, its tail, how many reads it bears;
//   - the wiring of a gateway (gateway.go), and what is in front of it: held by the
//     anchor, in which the same browsers poll three real gateways over HTTP.
//
// Nothing costs time but waits and reads of a source that has a limit. So it tells of
// counts and of waits, and not of CPU: that is measured in bench.
package scale
