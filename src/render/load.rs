//! Template files: the embedded ones, each replaced by the operator's file of the same name, and whatever wordings the
//! operator has besides. Faults are gathered, all in one run.

use super::{
    RenderOptions, TemplateFault,
    email::Emails,
    plain::{Declarations, Template},
    variables::{Declared, Variable},
    wording::{Wording, Wordings},
};
use crate::channel::MessageKind;
use rust_embed::RustEmbed;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

#[derive(RustEmbed)]
#[folder = "templates/message/"]
struct Embedded;

/// Reads template files and gathers their faults.
pub(super) struct Loader<'a> {
    options: &'a RenderOptions,
    pub faults: Vec<TemplateFault>,
}

impl<'a> Loader<'a> {
    pub fn new(options: &'a RenderOptions) -> Loader<'a> {
        Loader { options, faults: Vec::new() }
    }

    pub fn fault(&mut self, file: &str, message: String) {
        self.faults.push(TemplateFault { file: file.to_string(), message });
    }

    /// The overriding file where there is one, else the embedded one.
    pub fn read(&mut self, file: &str) -> Option<String> {
        if let Some(dir) = &self.options.dir {
            match std::fs::read_to_string(dir.join(file)) {
                Ok(text) => return Some(text),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => {
                    self.fault(file, format!("cannot be read: {e}"));
                    return None;
                }
            }
        }
        let Some(found) = Embedded::get(file) else {
            self.fault(file, "the template is missing".into());
            return None;
        };
        match found.data {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(str::to_string).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok(),
        }
    }

    pub fn declarations(&mut self, file: &str) -> Declarations {
        let Some(text) = self.read(file) else { return Declarations::new() };
        let read: BTreeMap<String, Declared> = match toml::from_str(&text) {
            Ok(read) => read,
            Err(e) => {
                self.fault(file, e.to_string().trim().replace('\n', " "));
                return Declarations::new();
            }
        };
        let mut out = Declarations::new();
        for (name, declared) in read {
            match Variable::parse(&name) {
                _ if declared.max == 0 || declared.min.is_some_and(|m| m > declared.max) => {
                    self.fault(file, format!("`{name}`: max must be at least 1 and not below min"));
                }
                Some(v) => {
                    out.insert(v, declared);
                }
                None => self.fault(file, format!("there is no variable `{name}`; there are {}", Variable::list())),
            }
        }
        out
    }

    /// The wordings of a folder by files that end in `ending`: one that fits all for each of `kinds`, and the others.
    fn wordings(&mut self, folder: &str, ending: &str, kinds: &[MessageKind]) -> Vec<Wording> {
        let prefix = format!("{folder}/");
        let mut stems: BTreeSet<String> = Embedded::iter()
            .filter_map(|f| f.strip_prefix(&prefix).and_then(|f| f.strip_suffix(ending)).map(str::to_string))
            .filter(|stem| !stem.contains('/'))
            .collect();
        if let Some(dir) = &self.options.dir
            && let Ok(entries) = std::fs::read_dir(dir.join(folder))
        {
            let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
            stems.extend(names.filter_map(|n| n.strip_suffix(ending).map(str::to_string)));
        }
        stems.extend(kinds.iter().map(|k| k.as_str().to_string()));
        let mut out = Vec::new();
        for stem in stems {
            let file = format!("{folder}/{stem}{ending}");
            match Wording::parse(&stem) {
                Ok(Some(w)) if kinds.contains(&w.kind) => out.push(w),
                Ok(Some(w)) => self.fault(&file, format!("`{}` is never said on this channel", w.kind.as_str())),
                Ok(None) if stem == "layout" => {}
                Ok(None) => {
                    let all: Vec<&str> = MessageKind::ALL.iter().map(|k| k.as_str()).collect();
                    self.fault(&file, format!("its name begins with no kind of message; there are {}", all.join(", ")));
                }
                Err(why) => self.fault(&file, why),
            }
        }
        out
    }

    /// SMS or voice templates.
    pub fn plain(&mut self, folder: &str, kinds: &[MessageKind], declared: &Declarations) -> Wordings<Template> {
        let mut out = Vec::new();
        for w in self.wordings(folder, ".txt", kinds) {
            let file = file_of(folder, &w, ".txt");
            let Some(source) = self.read(&file) else { continue };
            match Template::parse(&source, declared) {
                Ok(t) => out.push((w, t)),
                Err(e) => self.fault(&file, e),
            }
        }
        Wordings(out)
    }

    /// E-mail templates: texts (which have the subject) and HTML are chosen each for itself.
    pub fn emails(&mut self) -> (Emails, Wordings<()>, Wordings<()>) {
        let mut emails = Emails::new();
        let mut add = |load: &mut Loader<'_>, name: &str| {
            let file = format!("email/{name}");
            if let Some(source) = load.read(&file)
                && let Err(e) = emails.add(name, &source)
            {
                load.fault(&file, e);
            }
        };
        add(self, "layout.html");
        let mut lists = [".txt", ".html"].map(|ending| {
            let list = self.wordings("email", ending, &MessageKind::ALL);
            for w in &list {
                add(self, &format!("{}{ending}", w.stem()));
            }
            Wordings(list.into_iter().map(|w| (w, ())).collect())
        });
        let html = std::mem::replace(&mut lists[1], Wordings(Vec::new()));
        let [text, _] = lists;
        (emails, text, html)
    }
}

/// The file of a wording, below `templates/message/`.
pub(super) fn file_of(folder: &str, w: &Wording, ending: &str) -> String {
    format!("{folder}/{}{ending}", w.stem())
}
