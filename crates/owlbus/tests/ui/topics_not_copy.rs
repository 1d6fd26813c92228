use owlbus::Topics;

#[derive(Debug, Topics)]
#[topics(prefix = "document")]
enum DocumentTopic {
    Uploaded,
    Stored,
}

fn main() {}
