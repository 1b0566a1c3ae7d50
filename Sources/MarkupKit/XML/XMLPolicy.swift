/// What a reader accepts of XML beyond elements and text, and within which bounds.
struct XMLPolicy {
  /// Levels of nested elements.
  var maximumDepth = 256
  /// Namespaces in scope at once. libxml2 searches all of them for each prefix.
  var maximumNamespaces = Int.max
  /// Whether start tags are checked for `XMLTagBound.maximumAttributes`.
  var boundsAttributes = true
  /// Whether a document that declares entities is refused. They are never expanded.
  var refusesEntityDeclarations = false
  /// Whether a reference to an unknown entity is refused. If not, it is passed to the reader.
  var refusesReferences = false
  /// Whether a document that declares attributes is refused. libxml2 adds attributes with a default to each element.
  var refusesAttributeDeclarations = false
  /// Bytes passed to libxml2 at once by `XMLPushParser.parse`.
  var blockBytes = 1 << 20
}
