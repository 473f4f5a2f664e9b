#!/bin/sh
/data/x ../y "/data/z"
