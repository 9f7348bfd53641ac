package ar

import (
	"testing"

	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) { sdktest.Run(t, New, Info(), "") }
