package tokenize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The JSON shapes of tokenizer.json, as Hugging Face's library reads and writes them.
// Fields that say nothing about ids are read, so that unknown ones can be told from
// them, and otherwise ignored.

type fileJSON struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"` // cutting texts is not the tokenizer's job: ignored
	Padding       json.RawMessage `json:"padding"`    // likewise
	AddedTokens   []addedJSON     `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type addedJSON struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// componentJSON is any of the components that have a part in a form.
type componentJSON struct {
	Type             string            `json:"type"`
	AddPrefixSpace   *bool             `json:"add_prefix_space"`  // ByteLevel, Metaspace
	TrimOffsets      *bool             `json:"trim_offsets"`      // ByteLevel; about offsets only
	UseRegex         *bool             `json:"use_regex"`         // ByteLevel; absent = true
	IndividualDigits *bool             `json:"individual_digits"` // Digits
	Pattern          map[string]string `json:"pattern"`           // Split, Replace: {"Regex": ...} or {"String": ...}
	Behavior         string            `json:"behavior"`          // Split
	Invert           bool              `json:"invert"`            // Split
	Replacement      string            `json:"replacement"`       // Metaspace
	PrependScheme    string            `json:"prepend_scheme"`    // Metaspace; absent = always
	Split            *bool             `json:"split"`             // Metaspace; absent = true
	StrRep           *string           `json:"str_rep"`           // Metaspace; the replacement again, in old files
	Prepend          string            `json:"prepend"`           // Prepend
	Content          string            `json:"content"`           // Replace, Strip
	Start            int               `json:"start"`             // Strip
	Stop             int               `json:"stop"`              // Strip
	Normalizers      []json.RawMessage `json:"normalizers"`       // Sequence
	PreTokenizers    []json.RawMessage `json:"pretokenizers"`     // Sequence
	Decoders         []json.RawMessage `json:"decoders"`          // Sequence
}

type postProcessorJSON struct {
	Type           string                  `json:"type"`
	AddPrefixSpace *bool                   `json:"add_prefix_space,omitempty"` // ByteLevel; about offsets only
	TrimOffsets    *bool                   `json:"trim_offsets,omitempty"`     // likewise
	UseRegex       *bool                   `json:"use_regex,omitempty"`        // likewise
	Single         []pieceJSON             `json:"single,omitempty"`           // TemplateProcessing
	Pair           []pieceJSON             `json:"pair,omitempty"`             // TemplateProcessing
	SpecialTokens  map[string]specialsJSON `json:"special_tokens,omitempty"`   // TemplateProcessing
	Processors     []postProcessorJSON     `json:"processors,omitempty"`       // Sequence
}

// pieceJSON is one of the two.
type pieceJSON struct {
	SpecialToken *pieceIDJSON `json:"SpecialToken,omitempty"`
	Sequence     *pieceIDJSON `json:"Sequence,omitempty"`
}

type pieceIDJSON struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"`
}

type specialsJSON struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

type modelJSON struct {
	Type         string           `json:"type"` // absent in old files
	Dropout      *float64         `json:"dropout"`
	UnkToken     *string          `json:"unk_token"`
	Prefix       *string          `json:"continuing_subword_prefix"`
	Suffix       *string          `json:"end_of_word_suffix"`
	FuseUnk      bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Vocab        map[string]int32 `json:"vocab"`
	Merges       mergesJSON       `json:"merges"`
}

// mergesJSON reads both spellings of merges: ["a", "b"] and, in older files, "a b".
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(data []byte) error {
	inner := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("[")), " \t\r\n")
	var pairs [][]string
	if bytes.HasPrefix(inner, []byte(`"`)) {
		var lines []string
		if err := json.Unmarshal(data, &lines); err != nil {
			return err
		}
		pairs = make([][]string, len(lines))
		for rank, line := range lines {
			pairs[rank] = strings.Split(line, " ")
		}
	} else if err := json.Unmarshal(data, &pairs); err != nil {
		return err
	}
	*m = make(mergesJSON, len(pairs))
	for rank, p := range pairs {
		if len(p) != 2 {
			return fmt.Errorf("merges[%d] = %q: want two parts", rank, p)
		}
		(*m)[rank] = [2]string(p)
	}
	return nil
}
