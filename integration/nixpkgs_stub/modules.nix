# NixOS' module system, as far as nixos/module.nix needs it: options with types, definitions of several modules with mkIf,
# mkMerge and priorities, submodules with a freeform type, imports by path, errors for what has the wrong type or does not exist. Names
# and meanings are those of nixpkgs' lib.
let
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    listToAttrs
    map
    ;
  kind = value: if isAttrs value then value._type or "" else "";
  show = builtins.concatStringsSep ".";

  type = description: check: {
    inherit description check;
    merge = equal;
  };
  equal =
    path: values:
    if all (value: value == head values) values then
      head values
    else
      throw "The option `${show path}' has conflicting definition values";

  # What a definition says at `path`: a list of values, each with what it depends on. Conditions are not looked at on the
  # way: they may depend on other options of the same module.
  at =
    path: value:
    if kind value == "if" then
      map (d: d // { holds = value.condition && d.holds; }) (at path value.content)
    else if kind value == "merge" then
      concatMap (at path) value.contents
    else if kind value == "override" then
      map (d: d // { inherit (value) priority; }) (at path value.content)
    else if path == [ ] then
      [
        {
          holds = true;
          priority = 100;
          inherit value;
        }
      ]
    else if value ? ${head path} then
      at (builtins.tail path) value.${head path}
    else
      [ ];

  # The values that count: those whose conditions hold, of the highest priority (the lowest number).
  counting =
    definitions:
    let
      held = filter (d: d.holds) definitions;
      best = foldl' (best: d: if d.priority < best then d.priority else best) 10000 held;
    in
    map (d: d.value) (filter (d: d.priority == best) held);

  merge =
    path: type: definitions:
    let
      values = counting definitions;
    in
    if all type.check values then
      type.merge path values
    else
      throw "A definition for option `${show path}' is not of type `${type.description}'";

  isOption = value: kind value == "option";
  isTable = value: isAttrs value && !(value ? type && value.type == "derivation");

  # The options of all modules in one tree; a leaf is an option.
  join =
    a: b:
    a
    // listToAttrs (
      map (name: {
        inherit name;
        value = if a ? ${name} && !isOption b.${name} then join a.${name} b.${name} else b.${name};
      }) (attrNames b)
    );
  declaredIn =
    file: tree:
    builtins.mapAttrs (
      _: option:
      if isOption option then option // { declarations = [ file ]; } else declaredIn file option
    ) tree;

  # What of a definition no option has.
  rest =
    options: value:
    if kind value == "if" || kind value == "override" then
      value // { content = rest options value.content; }
    else if kind value == "merge" then
      value // { contents = map (rest options) value.contents; }
    else
      let
        below = name: if options ? ${name} then rest options.${name} value.${name} else value.${name};
        isRest = name: !(options ? ${name}) || !(isOption options.${name} || below name == { });
      in
      listToAttrs (
        map (name: {
          inherit name;
          value = below name;
        }) (filter isRest (attrNames value))
      );
  # The names in it.
  unknown =
    path: options: value:
    if kind value == "if" || kind value == "override" then
      unknown path options value.content
    else if kind value == "merge" then
      concatMap (unknown path options) value.contents
    else if isOption options then
      [ ]
    else
      concatMap (
        name:
        if options ? ${name} then
          unknown (path ++ [ name ]) options.${name} value.${name}
        else
          [ (show (path ++ [ name ])) ]
      ) (attrNames value);

  recursiveUpdate =
    a: b:
    a
    // builtins.mapAttrs (
      name: value:
      if a ? ${name} && isTable a.${name} && isTable value then recursiveUpdate a.${name} value else value
    ) b;

  # The modules and what they import. Of a path that is imported twice there is one, and of a `key`.
  collect =
    arguments: modules:
    let
      load =
        module:
        let
          m = if isFunction module then module arguments else module;
          isWhole = m ? config || m ? options || m ? imports;
        in
        {
          key = if isWhole then m.key or null else null;
          imports = if isWhole then m.imports or [ ] else [ ];
          options = if isWhole then m.options or { } else { };
          config = if isWhole then m.config or { } else m;
          freeformType = m.freeformType or null;
        };
      item =
        parent: index: module:
        if builtins.isPath module then
          let
            loaded = load (import module);
          in
          {
            key = if loaded.key == null then toString module else loaded.key;
            file = toString module;
            inherit loaded;
          }
        else
          {
            key = "${parent.key}:${toString index}";
            inherit (parent) file;
            loaded = load module;
          };
      items =
        parent: imports:
        builtins.genList (index: item parent index (builtins.elemAt imports index)) (length imports);
      root = {
        key = "";
        file = "<unknown-file>";
      };
    in
    map (item: item.loaded // { options = declaredIn item.file item.loaded.options; }) (
      builtins.genericClosure {
        startSet = items root modules;
        operator = item: items item item.loaded.imports;
      }
    );

  # { config, options } of these modules, below `prefix`.
  evaluate =
    prefix: specialArgs: modules:
    let
      loaded = collect ({ inherit config options; } // specialArgs) modules;
      options = foldl' join { } (map (m: m.options) loaded);
      freeform = foldl' (found: m: if m.freeformType != null then m.freeformType else found) null loaded;
      wrong = concatMap (m: unknown prefix options m.config) loaded;
      values =
        path: tree:
        builtins.mapAttrs (
          name: option:
          let
            here = path ++ [ name ];
            definitions = concatMap (m: at here m.config) loaded;
            default =
              if option ? default then
                [
                  {
                    holds = true;
                    priority = 1500;
                    value = option.default;
                  }
                ]
              else
                [ ];
          in
          if !isOption option then
            values here option
          else if definitions ++ default == [ ] then
            throw "The option `${show (prefix ++ here)}' was accessed but has no value defined."
          else
            merge (prefix ++ here) option.type (definitions ++ default)
        ) tree;
      free = freeform.merge prefix (map (m: rest options m.config) loaded);
      config = if freeform == null then values [ ] options else recursiveUpdate free (values [ ] options);
    in
    if freeform != null || wrong == [ ] then
      { inherit config options; }
    else
      throw "The option `${head wrong}' does not exist";

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
in
rec {
  inherit recursiveUpdate;
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkOption = option: option // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  types = {
    bool = type "boolean" isBool;
    str = type "string" isString;
    strMatching =
      pattern:
      type "string matching the pattern ${pattern}" (v: isString v && builtins.match pattern v != null);
    ints.unsigned = type "unsigned integer, meaning >=0" (v: isInt v && v >= 0);
    path = type "absolute path" (
      v: builtins.isPath v || v ? outPath || isString v && builtins.substring 0 1 v == "/"
    );
    package = type "package" (v: v.type or "" == "derivation");
    anything = type "anything" (_: true) // {
      merge =
        path: values:
        if all isTable values then (types.attrsOf types.anything).merge path values else equal path values;
    };
    nullOr =
      of:
      type "null or ${of.description}" (v: v == null || of.check v)
      // {
        merge = path: values: (if any (v: v == null) values then equal else of.merge) path values;
      };
    either =
      a: b:
      type "${a.description} or ${b.description}" (v: a.check v || b.check v)
      // {
        merge = path: values: (if all a.check values then a else b).merge path values;
      };
    enum = values: type "one of ${builtins.toJSON values}" (v: elem v values);
    listOf =
      of:
      type "list of ${of.description}" (v: isList v && all of.check v)
      // {
        merge = _: builtins.concatLists;
      };
    attrsOf =
      of:
      type "attribute set of ${of.description}" isAttrs
      // {
        merge =
          path: values:
          let
            definitions = name: concatMap (at [ name ]) values;
            names = attrNames (foldl' (a: b: a // b) { } values);
          in
          listToAttrs (
            map (name: {
              inherit name;
              value = merge (path ++ [ name ]) of (definitions name);
            }) (filter (name: counting (definitions name) != [ ]) names)
          );
      };
    submodule =
      module:
      type "submodule" isAttrs
      // {
        merge =
          path: values: (evaluate path { } ([ module ] ++ map (config: { inherit config; }) values)).config;
      };
  };

  # { config, options } of these modules, which are paths, functions or sets; `specialArgs` is what the functions get beside these two.
  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    evaluate [ ] specialArgs modules;
}
