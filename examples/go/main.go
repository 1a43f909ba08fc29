// Starts, follows and controls a run of the Self-Taught Evaluator:
//
//	go run . start CONFIGURATION.json
//	go run . follow|pause|resume|cancel|result NAME [REASON]
//
// Connects to the server of TEMPORAL_ADDRESS, or of the profile in Temporal's configuration file.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
)

var errUsage = errors.New("usage: start CONFIGURATION.json, or follow|pause|resume|cancel|result NAME [REASON]")

// progress has the fields of the query's answer that this example shows; schema/progress.schema.json describes all of them.
type progress struct {
	Status string
	Paused *struct{ Reason string }
	Stages []struct {
		Name  string
		Done  int
		Total *int
	}
}

func (p progress) String() string {
	stages := make([]string, len(p.Stages))
	for i, stage := range p.Stages {
		stages[i] = stage.Name
		if stage.Total != nil {
			stages[i] = fmt.Sprintf("%s %d/%d", stage.Name, stage.Done, *stage.Total)
		}
	}
	state := p.Status
	if p.Paused != nil {
		state = "paused: " + p.Paused.Reason
	}
	return state + " " + strings.Join(stages, ", ")
}

// start starts the run, or finds the running one of this name.
func start(ctx context.Context, c client.Client, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var configuration map[string]any
	if err := json.Unmarshal(text, &configuration); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	name, _ := configuration["runName"].(string)
	options := client.StartWorkflowOptions{
		ID:                       name,
		TaskQueue:                "self-taught-evaluator",
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}
	run, err := c.ExecuteWorkflow(ctx, options, "selfTaughtEvaluator", configuration)
	if err != nil {
		return err
	}
	fmt.Println(run.GetID())
	return nil
}

// follow prints a line whenever the progress changes, until the run has ended.
func follow(ctx context.Context, c client.Client, name string) error {
	var shown progress
	for {
		description, err := c.DescribeWorkflowExecution(ctx, name, "")
		if err != nil {
			return err
		}
		status := description.GetWorkflowExecutionInfo().GetStatus()
		hasEnded := status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		now, err := query(ctx, c, name)
		if err != nil {
			// No worker answers at the moment; the server knows whether the run has ended, and how.
			now = shown
			if hasEnded {
				now = progress{Status: strings.ToLower(status.String())}
			}
		}
		if !reflect.DeepEqual(now, shown) {
			shown = now
			fmt.Println(now)
		}
		if hasEnded {
			return nil
		}
		time.Sleep(time.Second)
	}
}

func query(ctx context.Context, c client.Client, name string) (now progress, err error) {
	answer, err := c.QueryWorkflow(ctx, name, "", "progress")
	if err == nil {
		err = answer.Get(&now)
	}
	return now, err
}

// update sends an update and returns when it has taken effect, or with the reason why the run refuses it.
func update(ctx context.Context, c client.Client, name, update string, arguments ...any) error {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID:   name,
		UpdateName:   update,
		Args:         arguments,
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

func result(ctx context.Context, c client.Client, name string) error {
	var result json.RawMessage
	if err := c.GetWorkflow(ctx, name, "").Get(ctx, &result); err != nil {
		return err
	}
	fmt.Println(string(result))
	return nil
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) < 2 {
		return errUsage
	}
	quiet := sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return err
	}
	options.Logger = quiet
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer c.Close()
	switch command, name := arguments[0], arguments[1]; command {
	case "start":
		return start(ctx, c, name)
	case "follow":
		return follow(ctx, c, name)
	case "pause":
		return update(ctx, c, name, "pause", map[string]string{"reason": strings.Join(arguments[2:], " ")})
	case "resume":
		return update(ctx, c, name, "resume")
	case "cancel":
		return c.CancelWorkflow(ctx, name, "")
	case "result":
		return result(ctx, c, name)
	default:
		return errUsage
	}
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}
