package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// foreignState are the packages whose variables a folder may set. Do not change this to
// fix a build.
const foreignState = `
# folder              | package
decoder-plugins/sdk   | os        # Main: go-plugin has no other way to be told where the handshake goes
`

func TestNoPackageState(t *testing.T) { expectNone(t, checkState(repository(t))) }

// checkState finds what makes a package more than its functions: init, and package
// variables that can change. Sentinel errors, tables and compiled expressions, which
// are set where they are declared and never again, are what is left. Tests
// may do as they like.
func checkState(t *tree) []string {
	var bad []string
	folders := map[string][]*ast.File{}
	for _, f := range t.goFiles() {
		if !f.test {
			folders[f.folder] = append(folders[f.folder], f.syntax)
		}
	}
	for folder, files := range folders {
		bad = append(bad, checkPackage(t.fset, folder, files)...)
	}
	return bad
}

// noImports resolves no import: names are all that checkPackage needs.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

func checkPackage(fset *token.FileSet, folder string, files []*ast.File) []string {
	var bad []string
	report := func(n ast.Node, format string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}

	// Files of all platforms are checked together, and without their imports: the errors
	// are many and do not matter.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}, DisableUnusedImportCheck: true}
	pkg, _ := conf.Check(folder, fset, files, info)

	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					report(d, "no init functions: call it from where it is needed")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					for _, s := range d.Specs {
						checkVar(d, s.(*ast.ValueSpec), report)
					}
				}
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, target := range changed(n) {
				switch name := rootOf(target); v := info.Uses[name].(type) {
				case *types.Var:
					if v.Parent() == pkg.Scope() {
						report(n, "changes the package variable %s", v.Name())
					}
				case *types.PkgName:
					if !maySet(folder, v.Imported().Path()) {
						report(n, "changes a variable of package %s", v.Name())
					}
				}
			}
			return true
		})
	}
	return bad
}

func maySet(folder, pkg string) bool {
	return slices.ContainsFunc(rows(foreignState), func(row []string) bool { return row[0] == folder && row[1] == pkg })
}

// checkVar reports a package variable that is there to be filled later.
func checkVar(d *ast.GenDecl, s *ast.ValueSpec, report func(ast.Node, string, ...any)) {
	if len(s.Values) == 0 {
		if embeds(d.Doc) || embeds(s.Doc) {
			return
		}
		report(s, "the package variable %s has no value: state belongs to whoever owns it", s.Names[0].Name)
	}
	for i, v := range s.Values {
		if mutable(v) {
			report(v, "the package variable %s is made to be changed: state belongs to whoever owns it", s.Names[min(i, len(s.Names)-1)].Name)
		}
	}
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// mutable says whether a value is one whose only use is to change: a lock, a counter, a
// cache, an empty map.
func mutable(v ast.Expr) bool {
	switch v := v.(type) {
	case *ast.UnaryExpr:
		return v.Op == token.AND && mutable(v.X)
	case *ast.CallExpr:
		name, ok := v.Fun.(*ast.Ident)
		return ok && (name.Name == "make" || name.Name == "new")
	case *ast.CompositeLit:
		switch typ := v.Type.(type) {
		case *ast.MapType:
			return len(v.Elts) == 0
		case *ast.SelectorExpr:
			pkg, ok := typ.X.(*ast.Ident)
			return ok && (pkg.Name == "sync" || pkg.Name == "atomic")
		}
	}
	return false
}

// changed are the expressions whose values a statement changes.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.CallExpr:
		name, ok := n.Fun.(*ast.Ident)
		if ok && len(n.Args) > 0 && (name.Name == "delete" || name.Name == "clear" || name.Name == "copy") {
			return n.Args[:1]
		}
	}
	return nil
}

// rootOf is the name at the root of x.f[i].g; nil if the root is no name.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
