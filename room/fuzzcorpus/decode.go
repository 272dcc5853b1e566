package fuzzcorpus

import (
	"errors"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"reflect"
	"strconv"
	"strings"
)

// version is the first line of every input that Go's fuzzer writes.
const version = "go test fuzz v1"

// integers are the types whose values are converted from int64 or uint64.
var integers = map[types.BasicKind]reflect.Type{
	types.Int:    reflect.TypeFor[int](),
	types.Int8:   reflect.TypeFor[int8](),
	types.Int16:  reflect.TypeFor[int16](),
	types.Int32:  reflect.TypeFor[int32](),
	types.Int64:  reflect.TypeFor[int64](),
	types.Uint:   reflect.TypeFor[uint](),
	types.Uint8:  reflect.TypeFor[uint8](),
	types.Uint16: reflect.TypeFor[uint16](),
	types.Uint32: reflect.TypeFor[uint32](),
	types.Uint64: reflect.TypeFor[uint64](),
}

// decode returns the values of an input: the version, and a line with a Go
// expression for each of them.
func decode(input []byte) (values []any, err error) {
	first, rest, _ := strings.Cut(string(input), "\n")
	if first != version {
		return nil, fmt.Errorf("it begins with %q, not with %q", first, version)
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		value, err := decodeValue(line)
		if err != nil {
			return nil, fmt.Errorf("%.60s: %w", line, err)
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		return nil, errors.New("it has no values")
	}
	return values, nil
}

func decodeValue(expr string) (any, error) {
	if quoted, ok := strings.CutPrefix(expr, "[]byte("); ok && strings.HasSuffix(quoted, ")") {
		s, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
		return []byte(s), err
	}
	tv, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr)
	if err != nil {
		return nil, err
	}
	basic, ok := tv.Type.(*types.Basic)
	if !ok || tv.Value == nil {
		return nil, errors.New("not a value of a type that is known here")
	}
	switch basic.Kind() {
	case types.String:
		return constant.StringVal(tv.Value), nil
	case types.Bool:
		return constant.BoolVal(tv.Value), nil
	}
	typ, ok := integers[basic.Kind()]
	if !ok {
		return nil, fmt.Errorf("not of a type that is known here, but %s", basic)
	}
	if n, exact := constant.Int64Val(tv.Value); exact {
		return reflect.ValueOf(n).Convert(typ).Interface(), nil
	}
	n, _ := constant.Uint64Val(tv.Value) // it fits, or there was no such constant
	return reflect.ValueOf(n).Convert(typ).Interface(), nil
}
