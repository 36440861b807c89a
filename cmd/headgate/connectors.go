package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"headgate/connectors"
	"headgate/connectors/builtin"
)

func (a *app) connectorsCommand() *cobra.Command {
	list := &cobra.Command{Use: "connectors", Short: "the types of connectors, and their arguments", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		kinds := builtin.Kinds()
		if !a.table() {
			return a.printJSON(len(kinds), func(i int) any { return kindJSON{Type: kinds[i].Name, Summary: kinds[i].Summary} })
		}
		for _, k := range kinds {
			a.printf("%s  %s\n", pad(k.Name, 10), k.Summary)
		}
		return nil
	}}
	list.AddCommand(&cobra.Command{Use: "show TYPE", Short: "the arguments of one type", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		var names []string
		for _, k := range builtin.Kinds() {
			names = append(names, k.Name)
			if k.Name == args[0] {
				return a.showKind(k)
			}
		}
		return fmt.Errorf("no connector type is called %q: there are %s", args[0], strings.Join(names, ", "))
	}})
	return list
}

// kindJSON is a type of connectors, and what it takes.
type kindJSON struct {
	Type      string         `json:"type"`
	Summary   string         `json:"summary"`
	Connector []argumentJSON `json:"connector,omitempty"`
	Resource  []argumentJSON `json:"resource,omitempty"`
	Codes     []string       `json:"codes,omitempty"` // of its failures
}

// argumentJSON is one argument, or a block of them.
type argumentJSON struct {
	Name     string         `json:"name"`
	Required bool           `json:"required"`
	Block    []argumentJSON `json:"block,omitempty"`
	Doc      string         `json:"doc"`
}

func (a *app) showKind(k connectors.Kind) error {
	shown := kindJSON{k.Name, k.Summary, argumentsOf(reflect.TypeOf(k.Settings()).Elem()), argumentsOf(reflect.TypeOf(k.Resource()).Elem()), k.Codes}
	if !a.table() {
		return a.printOne(shown)
	}
	a.printf("%s: %s\n\nconnector\n", k.Name, k.Summary)
	a.printArguments(shown.Connector, "  ")
	a.printf("\nresource\n")
	a.printArguments(shown.Resource, "  ")
	if len(k.Codes) > 0 {
		a.printf("\nfailures (x is any letter or digit)\n  %s\n", strings.Join(k.Codes, " "))
	}
	return nil
}

// argumentsOf reads the tags of settings: there is no second list of them.
func argumentsOf(t reflect.Type) []argumentJSON {
	var all []argumentJSON
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("hcl"), ",")
		if name == "" {
			continue
		}
		arg := argumentJSON{Name: name, Required: option == "", Doc: f.Tag.Get("doc")}
		if option == "block" {
			arg.Block = argumentsOf(f.Type.Elem())
		}
		all = append(all, arg)
	}
	return all
}

func (a *app) printArguments(all []argumentJSON, indent string) {
	for i, arg := range all {
		if arg.Block != nil {
			a.printf("%s%s  %s\n", indent, pad(arg.Name+" { }", 14), arg.Doc)
			if i > 0 && reflect.DeepEqual(arg.Block, all[i-1].Block) {
				a.printf("%s  as in %s\n", indent, all[i-1].Name)
				continue
			}
			a.printArguments(arg.Block, indent+"  ")
			continue
		}
		doc := arg.Doc
		if arg.Required {
			doc += " (required)"
		}
		a.printf("%s%s  %s\n", indent, pad(arg.Name, 14), doc)
	}
}
