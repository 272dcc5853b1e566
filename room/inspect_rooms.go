package room

import (
	"cmp"
	"context"
	"slices"
)

// RoomInfo is what is known of a room.
type RoomInfo struct {
	Name        string  `json:"name"`
	Members     int     `json:"members"`  // here, and clients on their way to it
	Messages    uint64  `json:"messages"` // since it was made
	Rate        float64 `json:"rate"`     // messages a second, over the last ten
	LogSegments int     `json:"log_segments"`
	LogBytes    int     `json:"log_bytes"` // of its logs, that a member has yet to read
	Lagging     int     `json:"lagging"`   // members that are behind
	Lag         int     `json:"lag"`       // messages that wait for the one that is furthest behind
}

// TopRooms is the n rooms with the highest rates, of several that are the same
// those with most members. The directory is held up while it looks: a few
// milliseconds if there are very many.
func (s *Server) TopRooms(ctx context.Context, n int) ([]RoomInfo, error) {
	var top []roomRank
	if err := s.ask(ctx, &s.directory.Task, func() { top = s.directory.top(n) }); err != nil {
		return nil, err
	}
	infos := make([]RoomInfo, 0, len(top))
	for _, rank := range top {
		info, err := s.roomInfo(ctx, rank)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// roomRank is a room and by what it is compared with others.
type roomRank struct {
	hub     *hub
	rate    float64
	members int
}

// top is the n first rooms. Only the directory may call it.
func (d *directory) top(n int) []roomRank {
	var top []roomRank
	before := func(a, b roomRank) int {
		return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(b.members, a.members), cmp.Compare(a.hub.name, b.hub.name))
	}
	d.rooms.Scan(func(_ string, h *hub) bool {
		r := roomRank{h, h.rate(), int(h.population.Load())}
		if len(top) == n && before(top[n-1], r) < 0 {
			return true
		}
		i, _ := slices.BinarySearchFunc(top, r, before)
		top = slices.Insert(top, i, r)
		top = top[:min(len(top), n)]
		return true
	})
	return top
}

// roomInfo asks the room's shards.
func (s *Server) roomInfo(ctx context.Context, r roomRank) (RoomInfo, error) {
	info := RoomInfo{Name: r.hub.name, Members: r.members, Rate: r.rate, Messages: r.hub.messages.Load()}
	var shards []*shard
	err := s.ask(ctx, &r.hub.Task, func() {
		for roster := r.hub.rosters; roster != nil; roster = roster.sibling {
			if !slices.Contains(shards, roster.shard) {
				shards = append(shards, roster.shard)
			}
		}
	})
	logs := make(map[logOf]extent)
	for _, sh := range shards {
		if err == nil {
			err = s.ask(ctx, &sh.Task, func() { sh.inspect(r.hub, &info, logs) })
		}
	}
	for log, e := range logs {
		if log.hub == r.hub {
			info.LogSegments += e.segments
			info.LogBytes += e.bytes
		}
	}
	return info, err
}

// inspect adds what the shard knows of the room h.
func (s *shard) inspect(h *hub, info *RoomInfo, logs map[logOf]extent) {
	s.extents(logs)
	for _, o := range s.lagging {
		for i, at := range o.readers {
			if at.roster.hub == h {
				info.Lagging++
				info.Lag = max(info.Lag, o.waiting(i, at.roster.reach().Seq))
			}
		}
	}
}
