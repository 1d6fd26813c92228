use owlbus::Topics;

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document")]
enum DocumentTopic {
    Uploaded,
    Failed(u8),
    Stored { pages: u32 },
}

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document")]
struct NoEnum;

#[derive(Clone, Copy, Topics)]
#[topics(prefix = "document")]
enum NoVariants {}

fn main() {}
