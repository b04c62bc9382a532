//! The names that a source file uses: its imports, its items and the paths in its code.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeSet;
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// An import: `path` under the name `alias`, which is `*` for everything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub alias: String,
    pub path: Vec<String>,
    /// A private import is used by the file itself; a public one may be there for others alone.
    pub private: bool,
}

/// The names of one module, without its tests.
#[derive(Default)]
pub struct Names {
    pub imports: Vec<Import>,
    pub items: BTreeSet<String>,
    pub paths: BTreeSet<Vec<String>>,
    pub modules: Vec<ItemMod>,
}

impl Names {
    /// Reads the items of a module.
    pub fn read(items: Vec<Item>) -> Self {
        let mut names = Self::default();
        items.into_iter().for_each(|item| names.item(item));
        names
    }
    fn item(&mut self, item: Item) {
        if attributes(&item).iter().any(is_for_tests) {
            return;
        }
        match item {
            Item::Use(import) => self.import(&import),
            Item::Mod(module) => self.modules.push(module),
            other => {
                self.items.extend(name_of(&other));
                self.code(other.into_token_stream());
            }
        }
    }
    fn import(&mut self, import: &ItemUse) {
        if import.leading_colon.is_none() {
            let private = matches!(import.vis, Visibility::Inherited);
            self.branch(&import.tree, Vec::new(), private);
        }
    }
    fn branch(&mut self, tree: &UseTree, mut path: Vec<String>, private: bool) {
        let (name, alias) = match tree {
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.branch(tree, path.clone(), private);
                }
                return;
            }
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                return self.branch(&step.tree, path, private);
            }
            UseTree::Glob(_) => (None, "*".to_owned()),
            UseTree::Name(name) => (Some(name.ident.to_string()), name.ident.to_string()),
            UseTree::Rename(name) => (Some(name.ident.to_string()), name.rename.to_string()),
        };
        match name.as_deref() {
            Some("self") if alias == "self" => {
                let alias = path.last().cloned().unwrap_or_default();
                self.imports.push(Import { alias, path, private });
            }
            _ => {
                path.extend(name.filter(|name| name != "self"));
                self.imports.push(Import { alias, path, private });
            }
        }
    }
    /// Collects `a::b::c` wherever it stands, in macros too.
    fn code(&mut self, code: TokenStream) {
        let mut tokens = code.into_iter().peekable();
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(name) if name == "use" => {
                    let rest = tokens.by_ref().take_while(|token| !is_sign(token, ';'));
                    self.inner_import(rest.collect());
                    path.clear();
                }
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.keep(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.keep(&mut path);
                    self.code(group.stream());
                    colons = 0;
                }
                _ => {
                    self.keep(&mut path);
                    colons = 0;
                }
            }
        }
        self.keep(&mut path);
    }
    fn inner_import(&mut self, rest: TokenStream) {
        if let Ok(import) = syn::parse2::<ItemUse>(quote::quote!(use #rest;)) {
            self.import(&import);
        }
    }
    fn keep(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        let is_type = path.first().is_some_and(|name| name.starts_with(char::is_uppercase));
        if path.len() > 1 || is_type {
            self.paths.insert(path);
        }
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let text = attribute.to_token_stream().to_string();
    attribute.path().is_ident("cfg") && text.contains("test") && !text.contains("not")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
