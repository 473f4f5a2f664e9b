//! Answers, and the errors of S3's API with their XML.

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with_header(mut self, header: (&'static str, String)) -> Self {
        self.headers.push(header);
        self
    }

    pub(crate) fn with_body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with_header(("Content-Type", kind.to_owned()))
    }
}

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    message: String,
    /// More elements of the XML.
    elements: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self { status, code, message, elements: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn denied(message: &str) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", &format!("Not implemented here: {what}"))
    }

    pub(crate) fn no_bucket(bucket: &str) -> Self {
        let error = Self::new(404, "NoSuchBucket", "The specified bucket does not exist");
        error.with_element(("BucketName", bucket.to_owned()))
    }

    pub(crate) fn expired_token() -> Self {
        Self::new(400, "ExpiredToken", "The provided token has expired.")
    }

    pub(crate) fn with_element(mut self, element: (&'static str, String)) -> Self {
        self.elements.push(element);
        self
    }

    pub(crate) fn with_header(mut self, header: (&'static str, String)) -> Self {
        self.headers.push(header);
        self
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
        xml += &(element("Code", &error.code) + &element("Message", &error.message));
        xml.extend(error.elements.iter().map(|(name, value)| element(name, value)));
        xml += "<RequestId>0</RequestId></Error>";
        let reply = Self::new(error.status).with_body("application/xml", xml);
        error.headers.into_iter().fold(reply, Self::with_header)
    }
}

/// `<name>text</name>`
pub(crate) fn element(name: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<{name}>{text}</{name}>")
}
