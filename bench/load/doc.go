// Package load is the generator: very many WebSocket clients in one process,
// on chatd's own poller, that check everything they hear.
//
// It knows nothing of scenarios. A [Fleet] connects clients and follows what
// they hear; [Pace] or a window of outstanding messages says what to send. What
// is in the frames is a dialect's, and where a client is in a room that numbers
// its messages is its place, which outlives its connection.
//
// All clients belong to the fleet's one worker, so nothing in them needs a
// lock; others look at a fleet's atomics or have a function run by the worker
// with [Fleet.Do].
package load
