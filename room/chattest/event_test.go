package chattest

import "testing"

func TestWhatIsNoEventByTheSchemaIsAnError(t *testing.T) {
	for _, b := range []string{
		``, `{`, `[]`, `{}`, `{"type":"say"}`,
		`{"type":"left","room":"side","more":1}`,
		`{"type":"left","room":".."}`,
		`{"type":"left","Room":"side"}`,
		`{"type":"members","room":"side","count":0}`,
		`{"type":"say","room":"side","seq":0,"at":1,"text":"x"}`,
		`{"type":"say","room":"side","seq":1,"at":9007199254740992,"text":"x"}`,
		`{"type":"say","room":"side","seq":1,"at":1,"text":"x","data":""}`,
		`{"type":"say","room":"side","seq":1,"at":1,"data":"AAA"}`,
		`{"type":"say","room":"side","seq":1,"at":1,"text":"x","id":"a"}`,
		`{"type":"say","room":"side","seq":1,"at":1,"text":"x","nonce":""}`,
		`{"type":"gap","room":"side","from":0,"to":0,"why":"epoch"}`,
		`{"type":"error","code":"unheard","message":"x"}`,
		`{"type":"who","room":"side","count":1,"members":[{"id":"a"}]}`,
	} {
		if e, err := Read([]byte(b)); err == nil {
			t.Errorf("%s is %+v", b, e)
		}
	}
}

func TestEventsAreRead(t *testing.T) {
	e, err := Read([]byte(`{"type":"who","room":"side","count":2,"members":[{"id":"a","name":"Ana"},{"id":"b","name":""}]}`))
	if err != nil || e.Count != 2 || len(e.Members.List) != 2 || e.Members.List[0] != (Member{"a", "Ana"}) {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = Read([]byte(`{"type":"joined","room":"side","epoch":"0000000a","seq":7,"resumed":true,"members":3}`))
	if err != nil || e.Members.Count != 3 || e.Seq != 7 || e.Epoch != "0000000a" || !e.Resumed {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = Read([]byte(`{"room":"side","seq":7,"at":3,"data":"AQI=","type":"say"}`))
	if err != nil || e.Said() != "data AQI=" {
		t.Errorf("%+v, %v", e, err)
	}
}
