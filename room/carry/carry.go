// Package carry is the form in which a server's state goes to the program that
// replaces it. FORMAT.md has it in words.
//
//	magic  version  │ section … section │ end  length  checksum
//	                  values, as their owners write and read them
//
// It knows values and nothing of what they mean: each owner writes and reads its own
// part, in two functions side by side. There are no tags: what is read must be what was
// written, in the same order. Sections are where that is checked.
//
// What is written may be secret (keys of TLS are): a Writer wipes its buffer, and who
// keeps the bytes wipes those.
package carry

import (
	"errors"
	"hash/crc32"
)

// Version is that of what a Writer writes. Oldest is that of the oldest state that a
// Reader takes: the one before, if there was one.
const (
	Version = 2
	Oldest  = 1
)

// magic is what a state begins with.
const magic = "chatd\nst"

// endSection is the last section, which is empty.
const endSection = "end"

// trailerSize is that of the length of all before it, and the checksum of all before
// that.
const trailerSize = 8 + crc32.Size

// table is the checksum's. That is there for accidents: whoever could change the state on
// purpose could do so with the process. Of those CRC-32C finds all but one in 2^32, and
// all that touch no more than four bytes in a row; what it misses has yet to make sense.
// And it is the one that processors have an instruction for. CRC-64 and SHA-256 take four
// times as long and more, while nobody is served: half a second for a million
// connections, which are written once and read twice.
var table = crc32.MakeTable(crc32.Castagnoli)

// Why a state is not read at all.
var (
	errMagic     = errors.New("this is no state of a chatd")
	errTruncated = errors.New("the state is truncated, or there is something behind it")
	errChecksum  = errors.New("the state is damaged: its checksum is another")
)
