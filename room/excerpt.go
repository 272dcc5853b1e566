package room

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/position"
)

// Excerpt is a part of a room's history. It holds the messages that are in it, and
// not the log behind them.
type Excerpt struct {
	Epoch   uint32
	Gap     chat.Gap
	Missing bool // Gap says what is missing

	known  []chat.Message // what is known of each, besides
	frames [][]byte       // in pieces, as the raw log has them
}

// Messages is what is kept of a room: of what came after a position the first limit
// messages, without one the last. What it takes from the hub is bounded by the limit;
// the messages are encoded by who asked.
func (s *Server) Messages(ctx context.Context, room string, since position.Since, limit int) (*Excerpt, error) {
	for begun := time.Now(); ; {
		x := new(Excerpt)
		if err := s.look(ctx, room, func(h *hub) { h.excerpt(x, since, uint64(limit)) }); err != nil {
			return nil, err
		}
		ahead := s.config.Nodes != nil && x.Missing && x.Gap.Why == chat.Future
		if !ahead || time.Since(begun) > aheadTime {
			return x, nil
		}
		select { // another server has told of a message that is not here yet
		case <-time.After(TickInterval):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// excerpt takes from the history what is asked for. It is called on the Task.
func (h *hub) excerpt(x *Excerpt, since position.Since, limit uint64) {
	x.Epoch = h.epoch.Load()
	a, head := h.archive, h.log.Head().Seq
	begin := h.floor()
	switch since.Kind {
	case position.Absent:
		begin = h.behindGaps(max(begin, head-min(head, limit)), head)
	case position.Now:
		begin = head
	default:
		begin, x.Gap, x.Missing = h.gapSince(since.Position)
	}
	// A gap comes first, or not in this part.
	end := h.upToGap(begin, min(head, begin+limit))
	if begin == end {
		return
	}
	x.frames = slices.Collect(a.tracks[rawStream].at(begin).Until(end))
	x.known = make([]chat.Message, 0, end-begin)
	live := a.entries[a.gone:]
	i := a.index(begin + 1)
	for seq := begin + 1; seq <= end; seq++ {
		if i+1 < len(live) && live[i+1].first == seq {
			i++
		}
		x.known = append(x.known, live[i].message(h.seq(seq)))
	}
}

// behindGaps is begin, or the last gap up to end.
func (h *hub) behindGaps(begin, end uint64) uint64 {
	if h.order != nil {
		for n := end; n > begin; n-- {
			if h.isGap(n) {
				return n
			}
		}
	}
	return begin
}

// upToGap is end, or the message in front of the first gap behind begin.
func (h *hub) upToGap(begin, end uint64) uint64 {
	if h.order != nil {
		for n := begin + 1; n <= end; n++ {
			if h.isGap(n) {
				return n - 1
			}
		}
	}
	return end
}

// All is the messages, in order. Each is good until the next one is.
func (x *Excerpt) All() iter.Seq[*chat.Message] {
	return func(yield func(*chat.Message) bool) {
		i := 0
		for _, frames := range x.frames {
			for ; len(frames) > 0; i++ {
				size := frame.Len(frames)
				m := x.known[i]
				var op ws.OpCode
				op, m.Payload = frame.Split(frames[:size])
				m.Binary = op == ws.OpBinary
				if !yield(&m) {
					return
				}
				frames = frames[size:]
			}
		}
	}
}
