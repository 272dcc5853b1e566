package room

import (
	"cmp"
	"slices"
	"unsafe"
)

// The part of what connections are still to get of logs that they don't read any more.
// Many that were dropped together wait for the same frames, so these are written once,
// and kept once by who reads them.

// address is where b, which is not empty, is in memory.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// carryFrames writes all of them.
func (s *Server) carryFrames(w *carrier) {
	var all [][]byte
	for _, sh := range s.shards.all() {
		for _, o := range sh.lagging {
			for _, p := range o.rest {
				if p.kind == pieceFrames {
					all = append(all, p.bytes)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b []byte) int { return cmp.Compare(address(a), address(b)) })
	for _, b := range all {
		if n := len(w.frames); n > 0 {
			last := w.frames[n-1]
			if at := int(address(b) - address(last)); at < len(last) { // they are of one segment
				w.frames[n-1] = unsafe.Slice(unsafe.SliceData(last), max(len(last), at+len(b)))
				continue
			}
		}
		w.frames = append(w.frames, b)
	}
	w.Uint(uint64(len(w.frames)))
	for _, b := range w.frames {
		w.Bytes(b)
	}
}

// restoreFrames reads them.
func (r *restorer) restoreFrames() {
	for range r.Count(maxCarried) {
		r.frames = append(r.frames, r.Kept())
	}
}

// piece writes which of them b is, a part of one.
func (w *carrier) piece(b []byte) {
	i, found := slices.BinarySearchFunc(w.frames, address(b), func(f []byte, at uintptr) int { return cmp.Compare(address(f), at) })
	if !found {
		i--
	}
	w.Uint(uint64(i))
	w.Uint(uint64(address(b) - address(w.frames[i])))
	w.Uint(uint64(len(b)))
}

// piece reads one.
func (r *restorer) piece() []byte {
	i := r.Uint()
	if i >= uint64(len(r.frames)) {
		r.Fail("there are no frames %d", i)
		return nil
	}
	b := r.frames[i]
	b = b[r.UpTo(uint64(len(b))):]
	n := r.UpTo(uint64(len(b)))
	return b[:n:n]
}
