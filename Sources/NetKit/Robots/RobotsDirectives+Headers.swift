public import MarkupKit

extension RobotsDirectives {
  /// The directives in a response's `X-Robots-Tag` fields for all crawlers or for this one.
  public static func words(_ headers: HTTPHeaders) -> [String] {
    headers.fields.filter { $0.name.lowercased() == "x-robots-tag" }.flatMap { field -> [String] in
      // `googlebot: noindex` is for another crawler; `unavailable_after: DATE` is a directive.
      guard let colon = field.value.firstIndex(of: ":") else { return words(field.value) }
      let name = field.value[..<colon].lowercased()
      if name == agent { return words(String(field.value[field.value.index(after: colon)...])) }
      let isDirective = ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"].contains {
        name.contains($0)
      }
      return name.contains(",") || isDirective ? words(field.value) : []
    }
  }
}
