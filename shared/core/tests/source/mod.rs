//! Parses the source of this crate into a tree of modules, with the paths in each of them: in `use`, in code, and inside of macros.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
};

use syn::{
    ItemMod, ItemUse, Macro, UseTree, VisRestricted, Visibility,
    visit::{self, Visit},
};

/// `["world", "resolve"]` is the module `world::resolve`; the crate itself is empty.
pub(crate) type ModulePath = Vec<String>;

/// All modules of the crate, inline ones included.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
pub(crate) struct Module {
    /// The path of its file, relative to `src`.
    pub(crate) file: String,
    /// The modules that it declares.
    children: BTreeSet<String>,
    /// The paths in `use`, as written, except for those in `pub use`.
    pub(crate) uses: BTreeSet<Vec<String>>,
    /// The paths in code, as written. A path of one segment names an item of the module itself, or an imported one.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// The paths in `pub use`, by the exported name.
    pub(crate) exports: BTreeMap<String, Vec<String>>,
}

impl Source {
    /// Reads and parses `src` of this crate.
    pub(crate) fn read() -> Self {
        let mut source = Source::default();
        source.read_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "lib.rs", Vec::new());
        source
    }

    fn read_file(&mut self, src: &Path, file: &str, module: ModulePath) {
        let text = fs::read_to_string(src.join(file)).unwrap();
        let parsed = syn::parse_file(&text).unwrap();
        let mut reader = Reader { source: self, file: file.to_owned(), module: module.clone(), declared: Vec::new() };
        reader.enter(module);
        reader.visit_file(&parsed);
        for child in reader.declared {
            let base = child.join("/");
            let file = [format!("{base}.rs"), format!("{base}/mod.rs")].into_iter().find(|file| src.join(file).is_file());
            self.read_file(src, &file.unwrap_or_else(|| panic!("{base} has no file")), child);
        }
    }

    /// The files, each with the path of its module.
    pub(crate) fn files(&self) -> BTreeMap<&str, &[String]> {
        let mut files = BTreeMap::new();
        for (path, module) in &self.modules {
            // The shortest path is that of the file's own module; longer ones are inline modules in the file.
            files.entry(module.file.as_str()).or_insert(path.as_slice());
        }
        files
    }

    /// The files of the crate that each file imports from. A re-exported item counts as imported from the file that defines it. A module
    /// that declares a child and re-exports its items doesn't import them, unless it uses them itself.
    pub(crate) fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for module in self.modules.values() {
            let names = module.paths.iter().filter_map(|path| path.first()).map(String::as_str);
            used.entry(module.file.as_str()).or_default().extend(names);
        }
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (at, module) in &self.modules {
            let file = module.file.as_str();
            let is_used = |name: &str| used.get(file).is_some_and(|names| names.contains(name));
            let is_import = |(name, path): &(&String, &Vec<String>)| {
                let is_of_child = path.first().is_some_and(|first| module.children.contains(first));
                !is_of_child || is_used(name)
            };
            let exports = module.exports.iter().filter(is_import).map(|(_, path)| path);
            let longer = module.paths.iter().filter(|path| path.len() > 1);
            let targets = module.uses.iter().chain(longer).chain(exports).filter_map(|path| self.file_of(at, path, 0));
            imports.entry(file).or_default().extend(targets.filter(|target| *target != file));
        }
        imports
    }

    /// The file that defines the item that a path in a module names; `None` if that is in another crate or in the module's own file.
    fn file_of(&self, from: &[String], path: &[String], depth: usize) -> Option<&str> {
        assert!(depth < 20, "{} passes itself on", path.join("::"));
        let (first, _) = path.split_first()?;
        let mut at = from.to_vec();
        let mut rest = path.iter();
        match first.as_str() {
            "crate" => at.clear(),
            "self" | "super" => {}
            name => {
                // A child of the module, or of an enclosing one in the same file.
                let file = &self.modules.get(from)?.file;
                while !self.modules.get(&at)?.children.contains(name) {
                    at.pop()?;
                    if self.modules.get(&at)?.file != *file {
                        return None;
                    }
                }
            }
        }
        while let Some(name) = rest.next() {
            match name.as_str() {
                "crate" | "self" => continue,
                "super" => {
                    at.pop()?;
                    continue;
                }
                _ => {}
            }
            let module = self.modules.get(&at)?;
            let below: ModulePath = at.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&below) {
                at = below;
            } else if let Some(export) = module.exports.get(name) {
                let passed_on: Vec<String> = export.iter().chain(rest).cloned().collect();
                return self.file_of(&at, &passed_on, depth + 1).or(Some(&module.file));
            } else {
                break;
            }
        }
        Some(&self.modules.get(&at)?.file)
    }
}

/// The circles of imports: for each set of files that all reach each other, its size and its shortest circle.
pub(crate) fn circles<'s>(imports: &BTreeMap<&'s str, BTreeSet<&'s str>>) -> Vec<(usize, Vec<&'s str>)> {
    let all: BTreeMap<&str, _> = imports.keys().map(|file| (*file, reached(imports, file))).collect();
    let reaches = |from: &str, to: &str| all.get(from).is_some_and(|reached| reached.contains_key(to));
    let mut left: BTreeSet<&str> = all.keys().copied().filter(|file| reaches(file, file)).collect();
    let mut circles = Vec::new();
    while let Some(&file) = left.first() {
        let together: BTreeSet<&str> = left.iter().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect();
        let ways = together.iter().filter_map(|start| way_around(all.get(start)?, start));
        circles.push((together.len(), ways.min_by_key(Vec::len).unwrap_or_default()));
        left.retain(|other| !together.contains(other));
    }
    circles
}

/// The files that a file reaches by one import or more, each with its predecessor on the shortest path.
fn reached<'s>(imports: &BTreeMap<&'s str, BTreeSet<&'s str>>, from: &str) -> BTreeMap<&'s str, &'s str> {
    let mut before = BTreeMap::new();
    let mut next: VecDeque<&str> = imports.get_key_value(from).map(|(from, _)| *from).into_iter().collect();
    while let Some(file) = next.pop_front() {
        for &target in imports.get(file).into_iter().flatten() {
            if !before.contains_key(target) {
                before.insert(target, file);
                next.push_back(target);
            }
        }
    }
    before
}

fn way_around<'s>(before: &BTreeMap<&'s str, &'s str>, start: &'s str) -> Option<Vec<&'s str>> {
    let mut way = vec![start];
    let mut at = *before.get(start)?;
    while at != start {
        way.push(at);
        at = before.get(at)?;
    }
    way.push(start);
    way.reverse();
    Some(way)
}

/// Collects the modules in a file.
struct Reader<'s> {
    source: &'s mut Source,
    file: String,
    module: ModulePath,
    /// Modules that have files of their own.
    declared: Vec<ModulePath>,
}

impl Reader<'_> {
    fn enter(&mut self, module: ModulePath) {
        self.source.modules.insert(module.clone(), Module { file: self.file.clone(), ..Module::default() });
        self.module = module;
    }

    fn here(&mut self) -> &mut Module {
        self.source.modules.get_mut(&self.module).unwrap()
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        let name = item.ident.to_string();
        self.here().children.insert(name.clone());
        let around = self.module.clone();
        let path: ModulePath = around.iter().cloned().chain([name]).collect();
        if item.content.is_none() {
            self.declared.push(path);
            return;
        }
        self.enter(path);
        visit::visit_item_mod(self, item);
        self.module = around;
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let mut names = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut names);
        for (name, path) in names {
            if matches!(item.vis, Visibility::Inherited) {
                self.here().uses.insert(path);
            } else {
                self.here().exports.insert(name, path);
            }
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let written = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.here().paths.insert(written);
        visit::visit_path(self, path);
    }

    /// Skips paths in `pub(super)` and `pub(in crate::world)`, which import nothing.
    fn visit_vis_restricted(&mut self, _: &VisRestricted) {}

    /// Finds paths inside of a macro call, whose tokens are not parsed: names with `::` between them.
    fn visit_macro(&mut self, item: &Macro) {
        visit::visit_macro(self, item);
        let tokens = item.tokens.to_string();
        let mut written: Vec<String> = Vec::new();
        let mut goes_on = false;
        for token in separate(&tokens) {
            if token == "::" {
                goes_on = !written.is_empty();
                continue;
            }
            if !goes_on && !written.is_empty() {
                self.here().paths.insert(std::mem::take(&mut written));
            }
            goes_on = false;
            if token.starts_with(|first: char| first.is_alphabetic() || first == '_') {
                written.push(token.to_owned());
            }
        }
        if !written.is_empty() {
            self.here().paths.insert(written);
        }
    }
}

/// Splits printed tokens, which may or may not have spaces between them, into names, `::` and others.
fn separate(tokens: &str) -> impl Iterator<Item = &str> {
    let mut rest = tokens;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let len = match rest.chars().next()? {
            '"' => text_end(rest),
            first if is_of_name(first) => rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()),
            _ if rest.starts_with("::") => 2,
            first => first.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        rest = after;
        Some(token)
    })
}

/// The offset of the end of a string literal, which is skipped, because paths in it are no imports.
fn text_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// Adds all paths of a `use`, each with the name that it imports.
fn flatten(tree: &UseTree, before: &mut Vec<String>, names: &mut Vec<(String, Vec<String>)>) {
    let mut add = |name: String, last: Option<String>| {
        let path: Vec<String> = before.iter().cloned().chain(last).collect();
        names.push((name, path));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, names);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => add(before.last().cloned().unwrap_or_default(), None),
        UseTree::Name(name) => add(name.ident.to_string(), Some(name.ident.to_string())),
        UseTree::Rename(rename) => add(rename.rename.to_string(), Some(rename.ident.to_string())),
        UseTree::Glob(_) => add("*".to_owned(), None),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, names)),
    }
}
