package batching

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// The keys of the schemas' metadata.
const (
	metaSchema  = "a3.schema"  // which schema it is
	metaVersion = "a3.version" // its version
	metaRecipe  = "a3.recipe"  // of training batches: the Recipe as JSON
)

// version is that of all schemas here. A change of a column, or of its meaning,
// makes a new version. Recordings of older ones are read still (see upgrade).
const version = 2

func listOfInt32() arrow.DataType   { return arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32) }
func listOfFloat32() arrow.DataType { return arrow.ListOfNonNullable(arrow.PrimitiveTypes.Float32) }

func schemaMetadata(name string, recipe []byte) arrow.Metadata {
	keys, values := []string{metaSchema, metaVersion}, []string{name, strconv.Itoa(version)}
	if recipe != nil {
		keys, values = append(keys, metaRecipe), append(values, string(recipe))
	}
	return arrow.NewMetadata(keys, values)
}

// checkRecord reports a record batch that is of another schema or version than
// want, or has nulls where want allows none.
func checkRecord(rec arrow.Record, want *arrow.Schema) error {
	name, _ := want.Metadata().GetValue(metaSchema)
	if got, ok := rec.Schema().Metadata().GetValue(metaSchema); !ok {
		return fmt.Errorf("record batch has no %s in its metadata; want %q", metaSchema, name)
	} else if got != name {
		return fmt.Errorf("record batch is of schema %q, want %q", got, name)
	}
	if got, _ := rec.Schema().Metadata().GetValue(metaVersion); got != strconv.Itoa(version) {
		return fmt.Errorf("%s batch is of schema version %q; this program reads version %d", name, got, version)
	}
	if got := rec.Schema().NumFields(); got != want.NumFields() {
		return fmt.Errorf("%s batch has %d columns, want %d", name, got, want.NumFields())
	}
	for i, field := range want.Fields() {
		if got := rec.Schema().Field(i); !got.Equal(field) {
			return fmt.Errorf("%s batch: column %d is %v, want %v", name, i, got, field)
		}
		if nulls := rec.Column(i).NullN(); nulls > 0 && !field.Nullable {
			return fmt.Errorf("%s batch: column %s has %d nulls", name, field.Name, nulls)
		}
	}
	return nil
}

// listBounds returns the bounds of the i-th list in its values, checked.
func listBounds(l *array.List, i int) (start, end int, err error) {
	from, to := l.ValueOffsets(i)
	if from < 0 || from > to || to > int64(l.ListValues().Len()) {
		return 0, 0, fmt.Errorf("list of the bounds %d to %d in %d values", from, to, l.ListValues().Len())
	}
	return int(from), int(to), nil
}

func appendInt32s(b array.Builder, values []int32) {
	l := b.(*array.ListBuilder)
	l.Append(true)
	l.ValueBuilder().(*array.Int32Builder).AppendValues(values, nil)
}

func appendFloat32s(b array.Builder, values []float32) {
	l := b.(*array.ListBuilder)
	l.Append(true)
	l.ValueBuilder().(*array.Float32Builder).AppendValues(values, nil)
}
