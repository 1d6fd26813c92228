use owlbus::Topics;

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document")]
enum DocumentTopic {
    PageStored,
    #[topics(name = "page.stored")]
    Stored,
    Page_Stored,
}

fn main() {}
