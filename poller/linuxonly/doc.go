// Package linuxonly is imported by what works on Linux alone, so that a build
// for another system ends with one sentence that says so.
package linuxonly
