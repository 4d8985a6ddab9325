// Package flagdtest holds Sluice's flag files to the real flagd: its OpenFeature
// provider reads the same files, in process, and must decide the same for every
// user. It is a module of its own, so that flagd's weight stays out of Sluice's;
// scripts/test runs it, and nothing else does.
//
// What flagd says of many users is also committed, as ../testdata/flagd.json, where
// the tests of package rollout find it. After a change of flagd's version
//
//	go test ./... -update
//
// writes it anew; a difference would move users, so look at it.
package flagdtest
