# The part of nixpkgs' `lib` that Go packages, setup hooks and overlays of Go builders use. Names and meanings are those
# of nixpkgs; other functions are missing. Pure: it reads no files and does not depend on the system.
# The functions about functions at the end matter most: an overlay that wraps buildGoModule rests on them.
let
  inherit (builtins)
    attrNames
    elem
    filter
    getAttr
    hasAttr
    head
    isAttrs
    isFunction
    isList
    length
    listToAttrs
    map
    stringLength
    substring
    ;
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    getAttr
    hasAttr
    head
    isAttrs
    isBool
    isFunction
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    readFile
    removeAttrs
    replaceStrings
    seq
    splitVersion
    stringLength
    substring
    tail
    toFile
    toJSON
    trace
    tryEval
    all
    any
    ;

  id = x: x;
  const = x: _: x;
  flip =
    f: a: b:
    f b a;
  pipe = builtins.foldl' (x: f: f x);
  warn = message: value: builtins.trace "warning: ${message}" value;
  warnIf = condition: message: if condition then warn message else id;
  throwIf = condition: message: if condition then throw message else id;
  assertMsg = condition: message: condition || throw message;

  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  optionalString = condition: s: if condition then s else "";
  optionalAttrs = condition: set: if condition then set else { };
  toList = x: if isList x then x else [ x ];
  singleton = x: [ x ];
  last = xs: builtins.elemAt xs (length xs - 1);
  flatten = x: if isList x then builtins.concatMap flatten x else [ x ];
  unique = builtins.foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  remove = x: filter (y: y != x);
  concatMapStrings = f: xs: builtins.concatStringsSep "" (map f xs);
  concatMapStringsSep =
    separator: f: xs:
    builtins.concatStringsSep separator (map f xs);

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      n = stringLength s - stringLength suffix;
    in
    n >= 0 && substring n (stringLength suffix) s == suffix;
  hasInfix = infix: s: length (filter builtins.isString (builtins.split (escapeRegex infix) s)) > 1;
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix =
    suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  splitString = separator: s: filter builtins.isString (builtins.split (escapeRegex separator) s);
  escapeRegex =
    builtins.replaceStrings
      [
        "\\"
        "."
        "+"
        "*"
        "?"
        "("
        ")"
        "["
        "]"
        "{"
        "}"
        "^"
        "$"
        "|"
      ]
      [
        "\\\\"
        "\\."
        "\\+"
        "\\*"
        "\\?"
        "\\("
        "\\)"
        "\\["
        "\\]"
        "\\{"
        "\\}"
        "\\^"
        "\\$"
        "\\|"
      ];
  escapeShellArg = x: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString x) + "'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  boolToString = b: if b then "true" else "false";
  versionOlder = a: b: builtins.compareVersions a b < 0;
  versionAtLeast = a: b: !versionOlder a b;

  # The name of a package without its version.
  getName = package: package.pname or (builtins.parseDrvName (package.name or package)).name;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  getAttrs = names: set: genAttrs names (n: getAttr n set);
  filterAttrs =
    keep: set: genAttrs (filter (n: keep n (getAttr n set)) (attrNames set)) (n: getAttr n set);
  mapAttrs' = f: set: listToAttrs (map (n: f n (getAttr n set)) (attrNames set));
  mapAttrsToList = f: set: map (n: f n (getAttr n set)) (attrNames set);
  concatMapAttrs = f: set: builtins.foldl' (a: b: a // b) { } (mapAttrsToList f set);
  filterAttrsRecursive =
    keep: set:
    mapAttrs (_: value: if isAttrs value then filterAttrsRecursive keep value else value) (
      filterAttrs keep set
    );
  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && hasAttr (head path) set then
      attrByPath (builtins.tail path) default (getAttr (head path) set)
    else
      default;
  isDerivation = x: isAttrs x && x.type or null == "derivation";
  getBin = drv: drv.bin or drv;
  getDev = drv: drv.dev or drv;
  getExe =
    drv: getExe' drv (drv.meta.mainProgram or drv.pname or (builtins.parseDrvName drv.name).name);
  getExe' = drv: program: "${getBin drv}/bin/${program}";
  makeBinPath = drvs: concatMapStringsSep ":" (drv: "${getBin drv}/bin") drvs;

  systems.flakeExposed = [
    "x86_64-linux"
    "aarch64-linux"
    "x86_64-darwin"
    "aarch64-darwin"
  ];
  platforms = {
    all = [ ];
    linux = [ ];
    unix = [ ];
  };
  licenses =
    genAttrs
      [
        "asl20"
        "bsd2"
        "bsd3"
        "gpl2Only"
        "gpl3Only"
        "isc"
        "mit"
        "mpl20"
      ]
      (n: {
        shortName = n;
      });
  maintainers = { };

  fix =
    f:
    let
      x = f x;
    in
    x;
  extends =
    overlay: below: final:
    let
      prev = below final;
    in
    prev // overlay final prev;
  composeExtensions =
    f: g: final: prev:
    let
      first = f final prev;
    in
    first // g final (prev // first);
  composeManyExtensions = builtins.foldl' (f: g: composeExtensions f g) (_: _: { });
  # An overlay of attributes, whatever of `final: prev:`, `prev:` and a plain set it was written as.
  toExtension =
    f: final: prev:
    if !isFunction f then
      f
    else
      let
        once = f final;
      in
      if isFunction once then once prev else f prev;

  isFunction' = f: isFunction f || (isAttrs f && f ? __functor);
  functionArgs' =
    f:
    if f ? __functor then
      f.__functionArgs or (functionArgs' (f.__functor f))
    else
      builtins.functionArgs f;
  functionArgs = functionArgs';
  setFunctionArgs = f: args: {
    __functor = _: f;
    __functionArgs = args;
  };
  mirrorFunctionArgs =
    f:
    let
      args = functionArgs' f;
    in
    g: setFunctionArgs g args;
  toFunction = x: if isFunction' x then x else _: x;

  # The result of a function, with `.override` to call the function again with other arguments.
  makeOverridable =
    f: args:
    let
      result = f args;
      override = new: makeOverridable f (args // (if isFunction new then new args else new));
    in
    if isFunction' result then
      setFunctionArgs result (functionArgs' result) // { inherit override; }
    else if isAttrs result then
      result
      // {
        inherit override;
      }
      // optionalAttrs (result ? overrideAttrs) {
        overrideAttrs = change: makeOverridable (a: (f a).overrideAttrs change) args;
      }
    else
      result;

  # A builder made from another one: `extendDrvArgs finalAttrs args` gives the attributes to put over the caller's.
  extendMkDerivation =
    {
      constructDrv,
      excludeDrvArgNames ? [ ],
      extendDrvArgs,
      ...
    }:
    setFunctionArgs (
      userArgs:
      constructDrv (
        finalAttrs:
        let
          args = toFunction userArgs finalAttrs;
        in
        removeAttrs args excludeDrvArgNames // extendDrvArgs finalAttrs args
      )
    ) (removeAttrs (functionArgs (extendDrvArgs { })) excludeDrvArgNames);
}
