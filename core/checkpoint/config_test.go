package checkpoint

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// smallConfig has every key that must be there.
const smallConfig = `{"vocab_size":61,"hidden_size":32,"intermediate_size":80,"num_hidden_layers":2,"num_attention_heads":4}`

// with returns smallConfig with further members, which override its own.
func with(t *testing.T, members string) string {
	t.Helper()
	all := make(map[string]json.RawMessage)
	for _, text := range []string{smallConfig, "{" + members + "}"} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatalf("%s: %v", members, err)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, text string) *LlamaConfig {
	t.Helper()
	c, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestParseConfigDefaults(t *testing.T) {
	got := parse(t, smallConfig)
	want := &LlamaConfig{
		VocabSize: 61, HiddenSize: 32, IntermediateSize: 80, NumHiddenLayers: 2,
		NumAttentionHeads: 4, NumKeyValueHeads: 4, HeadDim: 8,
		MaxPositionEmbeddings: 2048, RMSNormEps: 1e-6, RopeTheta: 10000,
		RopeScaling: RopeScaling{Type: "default"},
		BOS:         TokenIDs{1}, EOS: TokenIDs{2},
		Residual: "llama", Given: "causal",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestParseConfigFields(t *testing.T) {
	llama3 := RopeScaling{"llama3", 8, 1, 4, 8192}
	factors := `"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192`
	for _, c := range []struct {
		members string
		check   func(c *LlamaConfig) bool
	}{
		{`"num_key_value_heads":2,"head_dim":16`, func(c *LlamaConfig) bool { return c.NumKeyValueHeads == 2 && c.HeadDim == 16 }},
		{`"num_key_value_heads":null,"head_dim":null`, func(c *LlamaConfig) bool { return c.NumKeyValueHeads == 4 && c.HeadDim == 8 }},
		{`"hidden_act":"silu","attention_bias":false,"mlp_bias":false,"model_type":"llama"`, func(c *LlamaConfig) bool { return c.Extra == nil }},
		{`"hidden_act":"swish","quantization_config":null`, func(c *LlamaConfig) bool { return true }},
		{`"bos_token_id":null,"eos_token_id":[3,4],"pad_token_id":0`, func(c *LlamaConfig) bool {
			return c.BOS == nil && reflect.DeepEqual(c.EOS, TokenIDs{3, 4}) && reflect.DeepEqual(c.PAD, TokenIDs{0})
		}},
		{`"bos_token_id":[],"pad_token_id":-1`, func(c *LlamaConfig) bool { return c.BOS == nil && c.PAD == nil }},
		{`"rope_theta":500000,"rope_scaling":null`, func(c *LlamaConfig) bool { return c.RopeTheta == 500000 && c.RopeScaling.Type == "default" }},
		{`"rope_scaling":{"rope_type":"llama3",` + factors + `}`, func(c *LlamaConfig) bool { return c.RopeScaling == llama3 && c.RopeTheta == 10000 }},
		{`"rope_scaling":{"type":"linear","factor":4.0}`, func(c *LlamaConfig) bool { return c.RopeScaling == RopeScaling{Type: "linear", Factor: 4} }},
		{`"rope_scaling":{"type":"llama3",` + factors + `}`, func(c *LlamaConfig) bool { return c.RopeScaling == llama3 }},
		{`"rope_scaling":{"type":"llama3","rope_type":"llama3",` + factors + `}`, func(c *LlamaConfig) bool { return c.RopeScaling == llama3 }},
		{`"rope_parameters":{"rope_type":"default","rope_theta":20000.0}`, func(c *LlamaConfig) bool { return c.RopeTheta == 20000 && c.RopeScaling.Type == "default" }},
		{`"rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,"partial_rotary_factor":1.0,` + factors + `}`, func(c *LlamaConfig) bool { return c.RopeTheta == 500000 && c.RopeScaling == llama3 }},
		{`"rope_theta":3e5,"rope_scaling":{"rope_type":"llama3",` + factors + `},"rope_parameters":{"rope_type":"llama3","rope_theta":300000.0,` + factors + `}`, func(c *LlamaConfig) bool { return c.RopeTheta == 300000 && c.RopeScaling == llama3 }},
		{`"dtype":"bfloat16"`, func(c *LlamaConfig) bool { return c.TorchDType == "bfloat16" }},
		{`"torch_dtype":"float32"`, func(c *LlamaConfig) bool { return c.TorchDType == "float32" }},
		{`"a3":{"residual":"official","given":"group","format":1}`, func(c *LlamaConfig) bool { return c.Residual == "official" && c.Given == "group" }},
		{`"a3":{}`, func(c *LlamaConfig) bool { return c.Residual == "llama" && c.Given == "causal" }},
		{`"initializer_range":0.02,"nested":{"a":[1,null]}`, func(c *LlamaConfig) bool {
			return len(c.Extra) == 2 && string(c.Extra["initializer_range"]) == "0.02" && string(c.Extra["nested"]) == `{"a":[1,null]}`
		}},
	} {
		config := parse(t, with(t, c.members))
		if !c.check(config) {
			t.Errorf("%s gives %+v", c.members, config)
		}
		// What is written is read as the same, and written as the same again.
		text, err := config.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again := parse(t, string(text))
		twice, err := again.Encode()
		if err != nil || string(twice) != string(text) {
			t.Errorf("%s is written as\n%s\nand then as\n%s (%v)", c.members, text, twice, err)
		}
		again.Extra, config.Extra = nil, nil // their white space may differ
		if !reflect.DeepEqual(again, config) {
			t.Errorf("%s: %+v was read back as %+v", c.members, config, again)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	factors := `"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192`
	for _, c := range []struct{ members, want string }{
		{`"vocab_size":null`, "vocab_size: is missing"},
		{`"vocab_size":0`, "vocab_size: 0, want 1 to"},
		{`"vocab_size":-5`, "vocab_size: -5"},
		{`"vocab_size":1e9`, "vocab_size: want int"},
		{`"vocab_size":100000000`, "vocab_size: 100000000, want 1 to 16777216"},
		{`"vocab_size":"61"`, `vocab_size: want int, got "\"61\""`},
		{`"hidden_size":30`, "hidden_size: 30 is not a multiple of num_attention_heads, 4"},
		{`"hidden_size":262144`, "hidden_size: 262144"},
		{`"intermediate_size":2000000`, "intermediate_size: 2000000"},
		{`"num_hidden_layers":0`, "num_hidden_layers: 0"},
		{`"num_hidden_layers":5000`, "num_hidden_layers: 5000"},
		{`"num_attention_heads":0`, "num_attention_heads, 0"},
		{`"num_attention_heads":-4`, "num_attention_heads, -4"},
		{`"num_key_value_heads":3`, "num_attention_heads: 4 is not a multiple of num_key_value_heads, 3"},
		{`"num_key_value_heads":0`, "num_key_value_heads: 0"},
		{`"num_key_value_heads":8`, "not a multiple of num_key_value_heads, 8"},
		{`"head_dim":7`, "head_dim: 7 is odd"},
		{`"head_dim":0`, "head_dim: 0"},
		{`"max_position_embeddings":0`, "max_position_embeddings: 0"},
		{`"rms_norm_eps":0`, "rms_norm_eps: 0"},
		{`"rms_norm_eps":-1e-5`, "rms_norm_eps: -1e-05"},
		{`"rms_norm_eps":1e999`, "rms_norm_eps: want float64"},
		{`"rope_theta":0`, "rope_theta: 0"},
		{`"rope_theta":1e300`, "rope_theta: 1e+300"},
		{`"hidden_act":"gelu"`, `hidden_act: "gelu" is not supported, only "silu"`},
		{`"model_type":"mistral"`, `model_type: "mistral" is not supported, only "llama"`},
		{`"attention_bias":true`, "attention_bias: true is not supported"},
		{`"mlp_bias":true`, "mlp_bias: true is not supported"},
		{`"mlp_bias":1`, "mlp_bias: want bool"},
		{`"quantization_config":{"quant_method":"gptq"}`, "quantization_config: quantised weights"},
		{`"tie_word_embeddings":"yes"`, "tie_word_embeddings: want bool"},
		{`"architectures":[null]`, "architectures: null"},
		{`"bos_token_id":61`, "bos_token_id: 61 is outside the vocabulary of 61"},
		{`"eos_token_id":[1,-1]`, "eos_token_id: -1 is outside"},
		{`"eos_token_id":[1,null]`, "eos_token_id: null"},
		{`"pad_token_id":99`, "pad_token_id: 99"},
		{`"pad_token_id":{}`, "pad_token_id: want int32"},
		{`"pad_token_id":1.5`, "pad_token_id: want int32"},
		{`"rope_scaling":{"type":"linear"}`, "rope_scaling: factor: is missing"},
		{`"rope_scaling":{"type":"linear","factor":0.5}`, "rope_scaling: factor: 0.5"},
		{`"rope_scaling":{"type":"linear","factor":2,"low_freq_factor":1}`, `rope_scaling: unknown field "low_freq_factor"`},
		{`"rope_scaling":{"type":"dynamic","factor":2.0}`, `rope_scaling: rope_type: "dynamic" is not supported`},
		{`"rope_scaling":{"rope_type":"yarn","factor":2.0,"beta_fast":1}`, `rope_type: "yarn"`},
		{`"rope_scaling":{"rope_type":"llama3","type":"linear"}`, "differs from type"},
		{`"rope_scaling":{"rope_type":"llama3",` + factors + `}`, "rope_scaling: factor: is missing"},
		{`"rope_scaling":{"rope_type":"llama3","factor":0.5,` + factors + `}`, "rope_scaling: factor: 0.5"},
		{`"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,"original_max_position_embeddings":64}`, "low_freq_factor: 4, want above 0 and below"},
		{`"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":0}`, "original_max_position_embeddings: 0"},
		{`"rope_scaling":{"rope_type":"llama3","factor":8,"mscale":1,` + factors + `}`, `rope_scaling: unknown field "mscale"`},
		{`"rope_scaling":{"rope_type":"default","factor":8}`, `rope_scaling: unknown field "factor"`},
		{`"rope_scaling":[]`, "rope_scaling: want a JSON object"},
		{`"rope_parameters":{"rope_theta":-1}`, "rope_parameters: rope_theta: -1"},
		{`"rope_parameters":{"partial_rotary_factor":0.5}`, "partial_rotary_factor: 0.5"},
		{`"rope_theta":10000,"rope_parameters":{"rope_theta":20000}`, "rope_theta 20000 differs"},
		{`"rope_scaling":{"rope_type":"default"},"rope_parameters":{"rope_type":"llama3","factor":8,` + factors + `}`, "rope_parameters: differs from rope_scaling"},
		{`"a3":{"residual":"plain"}`, `a3.residual: "plain"`},
		{`"a3":{"given":"none"}`, `a3.given: "none"`},
		{`"a3":{"givn":"group"}`, `a3: unknown field "givn"`},
		{`"a3":{"format":0}`, "a3: format: 0"},
		{`"a3":{"format":2}`, "a3: format: 2"},
		{`"a3":null`, "a3: want a JSON object"},
	} {
		_, err := ParseConfig([]byte(with(t, c.members)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "config.json: ") {
			t.Errorf("%s: error %v, want one with %q", c.members, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{``, "cut off"},
		{`null`, "want a JSON object"},
		{`{"vocab_size":1,"vocab_size":2}`, `"vocab_size" occurs twice`},
		{smallConfig + `{}`, "2 bytes follow"},
		{`{"rms_norm_eps":NaN}`, "rms_norm_eps"},
		{strings.Repeat(" ", maxConfigBytes+1), "at most"},
	} {
		if _, err := ParseConfig([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: error %v, want one with %q", c.text, err, c.want)
		}
	}
	if _, err := ParseConfig([]byte(with(t, `"a3":{"format":2}`))); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer format: error %v, want ErrVersion", err)
	}
}

// A known key cannot be smuggled in through Extra, nor an invalid configuration written.
func TestEncodeConfig(t *testing.T) {
	c := parse(t, smallConfig)
	c.Extra = map[string]json.RawMessage{"vocab_size": json.RawMessage("9"), "x": json.RawMessage(`"<&>"`)}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, string(text)); got.VocabSize != 61 || string(got.Extra["x"]) != `"<&>"` {
		t.Errorf("written as %s", text)
	}
	c.HeadDim = 0
	if _, err := c.Encode(); err == nil || !strings.Contains(err.Error(), "head_dim") {
		t.Errorf("an invalid configuration: error %v", err)
	}
	if _, err := NewLlamaConfig().Encode(); err == nil {
		t.Error("a configuration without sizes is written")
	}
}
