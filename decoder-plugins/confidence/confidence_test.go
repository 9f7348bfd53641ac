package confidence

import (
	"testing"

	"github.com/any-order/a3/decoder-plugins/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m, New, Info()) }

func TestStrategy(t *testing.T) {
	sdktest.Run(t, New, Info(), "", "size=3", "threshold=0.8", "size=2,threshold=0.5", "size=50")
}
