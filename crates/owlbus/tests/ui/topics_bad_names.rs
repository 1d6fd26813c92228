use owlbus::Topics;

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document.*")]
enum WildcardInPrefix {
    Uploaded,
    Stored,
}

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document", name = "document")]
enum Misplaced {
    #[topics(prefix = "document")]
    Uploaded,
}

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document")]
enum Names {
    #[topics(name = ".stored")]
    Stored,
    #[topics(name = "")]
    Nameless,
    #[topics(name = "**")]
    Everything,
    #[topics(topic = "document.uploaded")]
    Uploaded,
    #[topics(name = Exported)]
    Exported,
}

fn main() {}
