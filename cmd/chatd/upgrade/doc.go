// Package upgrade replaces the running program by another one in its place (execve(2)):
// process, descriptors and connections stay, and clients notice nothing.
//
//	upgrade.go    Upgrader: from the wish to the exec, and the way back
//	program.go    Program: which file, with which arguments and environment
//	memory.go     the memory file by which the state goes over
//	trial.go      the new program, tried as a child before anything is given up for it
//	exec.go       the exec itself
//	state.go      State: what the program before has left for this one
//	ask.go        how one who asks for an upgrade is told what became of it
//	command.go    Run: the command "chatd upgrade"
//	process.go    which process is meant
//	result.go     Result, and Counts of them
//
// # The way
//
//	   this program            the new one, as a child     the new one
//	1  begins the child  ────▶ flags, files, addresses
//	                     ◀──── "ready"
//	2  freezes, writes all
//	   of the state      ────▶ reads all of it
//	                     ◀──── "good"
//	3  exec ──────────────────────────────────────────────▶ reads it, goes on
//
// Whatever fails before the exec has the server go on as if nothing had been: the child is
// the only one that can find out that the new program is of no use, and it does nearly all
// that the new program will do. Before it is ready nobody waits for anything, so a program
// that can't even begin costs nobody a moment. There is no way back from the exec.
//
// The state is a memory file, whose descriptor is in the environment. It has two parts,
// each in the form of package carry: what the process has, for what is done before it is
// frozen; and what the server has. It has secrets of TLS, so whoever is through with it
// overwrites it.
//
// # Descriptors
//
// What stays open over an exec is decided when a program is begun, on a thread that has a
// table of descriptors for itself (descriptors.apart): all but what is carried is closed
// there, one call for each gap between numbers, so what nobody carries is gone and nothing
// can leak. Sockets of clients are made without FD_CLOEXEC, as to take it away costs a call
// each: where that is 20 µs, a million of them would be unserved for 20 s. A program that
// is only tried gets none of them.
//
// The epoll set is one of them (poller.Inherit): to take it apart and make it again would be
// half of the time in which nobody is served. What is closed leaves it by itself; listeners,
// which get other numbers, are taken out before.
package upgrade
