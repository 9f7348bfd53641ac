package cli

import (
	"github.com/spf13/cobra"

	"github.com/any-order/a3/pipeline/config"
)

// deliveryFlags say what a crash may do to the output.
type deliveryFlags struct {
	config.Delivery
	exactlyOnce   bool
	embeddedKafka bool
}

func (f *deliveryFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.Delivery = config.Default().Delivery
	flags.BoolVar(&f.exactlyOnce, "exactly-once", false, "from topic to topic: results, dead letters and positions in one transaction. File to file it is so without this")
	flags.BoolVar(&f.embeddedKafka, "embedded-kafka", false, embeddedKafkaUsage)
	flags.StringVar(&f.Journal, "journal", "", "folder that remembers results, so that a worker that was killed does not compute them again; empty = none")
	flags.IntVar(&f.MaxAttempts, "max-attempts", f.MaxAttempts, "workers that may die at work on a record before it becomes a dead letter, counted in the journal; 0 = any number")
	flags.StringVar(&f.MaxFailures, "max-failures", "", "MOST/OF, such as 10/100: end the job when more than 10 of the last 100 records failed; empty = never")
}

func (f *deliveryFlags) apply(c *config.Config) {
	c.Delivery = f.Delivery
	if f.exactlyOnce {
		c.Delivery.Guarantee = config.ExactlyOnce
	}
}
