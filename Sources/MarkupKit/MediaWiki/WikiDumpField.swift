/// Where characters go.
enum WikiDumpField {
  case none, siteName, databaseName, base, namespace, title, pageNamespace, id, revision, timestamp, model, text

  init(_ element: WikiDumpElement, depth: Int, isInsidePage: Bool, isInsideRevision: Bool) {
    switch (element, depth) {
    case (.text, 4) where isInsideRevision: self = .text
    case (.id, 4) where isInsideRevision: self = .revision
    case (.timestamp, 4) where isInsideRevision: self = .timestamp
    case (.model, 4) where isInsideRevision: self = .model
    case (.title, 3) where isInsidePage: self = .title
    case (.ns, 3) where isInsidePage: self = .pageNamespace
    case (.id, 3) where isInsidePage: self = .id
    case (.sitename, 3) where !isInsidePage: self = .siteName
    case (.dbname, 3) where !isInsidePage: self = .databaseName
    case (.base, 3) where !isInsidePage: self = .base
    case (.namespace, 4) where !isInsidePage: self = .namespace
    default: self = .none
    }
  }
}
